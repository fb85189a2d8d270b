"""The schedulers on a simulated clock: how busy workers are, and how long a target takes.

    python benchmarks/simulated.py                       # synthetic curves, 1 to 1,000 workers, and a plot
    python benchmarks/simulated.py --curves curves.json  # recorded curves (see record_curves.py), 2 workers

With synthetic curves a trial's loss is `a + b * epochs ** -c` and a little noise, and an epoch takes 1 second
times a factor of the trial's own. With recorded ones, losses and seconds are those of real trials, drawn anew
for each seed. To begin a trial costs the seconds that tracing a model takes, to go on with it less.
Configs come at random: this compares schedulers, not algorithms.
"""

import argparse
import heapq
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mlflow_hpo.schedulers import SCHEDULERS, Budget, Scheduler, scheduler
from mlflow_hpo.trial import State, Trial, Unit

PLOT = Path("simulated.html")
NAMES = [name for name in SCHEDULERS if name != "pbt"]  # a copy has a curve of its own, which nobody recorded


@dataclass(frozen=True)
class World:
    """What a trial does, by its number.

    Attributes:
        loss: of (number, epochs).
        seconds: of one epoch.
        epochs: of a fully trained trial.
        begin, go_on: seconds before the first epoch of a new trial's unit, and of a later one.
    """

    loss: Callable[[int, int], float]
    seconds: Callable[[int], float]
    epochs: int
    begin: float
    go_on: float


@dataclass
class Outcome:
    """A study that was played.

    Attributes:
        best: (seconds, loss) each time that the best loss so far falls.
    """

    busy: float = 0.0
    ended: float = 0.0
    epochs: int = 0
    best: list[tuple[float, float]] = field(default_factory=list)

    def reached(self, target: float) -> float:
        """Seconds until the target; infinite where it was never reached."""
        return next((at for at, loss in self.best if loss <= target), float("inf"))


def play(rule: Scheduler, workers: int, world: World) -> Outcome:
    """A whole study."""
    trials: list[Trial] = []
    running: list[tuple[float, int, Unit]] = []
    now, outcome = 0.0, Outcome()
    while True:
        while len(running) < workers and (unit := rule.next(trials)):
            unit = begin(trials, unit)
            assert unit.trial is not None
            unit, took = train(unit, world, now, outcome)
            heapq.heappush(running, (now + took, unit.trial or 0, unit))
        if not running:
            outcome.ended = now
            return outcome
        now, number, unit = heapq.heappop(running)
        finish(trials, number, unit, world)


def begin(trials: list[Trial], unit: Unit) -> Unit:
    if unit.trial is None:
        unit = replace(unit, trial=len(trials))
        trials.append(Trial(len(trials), "", State.RUNNING, {}))
    number = unit.trial or 0
    trials[number] = replace(trials[number], state=State.RUNNING)
    return unit


def train(unit: Unit, world: World, now: float, outcome: Outcome) -> tuple[Unit, float]:
    """Where the unit ends, and after how many seconds."""
    number = unit.trial or 0
    took = world.go_on if unit.start else world.begin
    for epoch in range(unit.start + 1, unit.stop + 1):
        took += world.seconds(number)
        outcome.epochs += 1
        loss = world.loss(number, epoch)
        note(outcome, now + took, loss)
        if not unit.goes_on(epoch, loss):
            break
    outcome.busy += took
    return replace(unit, stop=epoch), took


def note(outcome: Outcome, at: float, loss: float) -> None:
    """Units are played one after the other, so a later one may come upon a moment that lies before."""
    if not any(t <= at and known <= loss for t, known in outcome.best):
        kept = [(t, known) for t, known in outcome.best if t < at or known < loss]
        outcome.best = sorted([*kept, (at, loss)])


def finish(trials: list[Trial], number: int, unit: Unit, world: World) -> None:
    rungs = [e for e in (*unit.thresholds, unit.stop) if unit.start < e <= unit.stop]
    losses = {**trials[number].losses, **{e: world.loss(number, e) for e in rungs}}
    state = State.FINISHED if unit.stop == world.epochs else State.PAUSED
    trials[number] = replace(trials[number], results={"loss": losses}, state=state)


def synthetic(seed: int, trials: int, epochs: int) -> World:
    rng = np.random.default_rng(seed)
    floor = rng.beta(2, 3, trials)
    height, rate = rng.uniform(0.5, 2.0, trials), rng.uniform(0.3, 1.2, trials)
    noise = rng.normal(0, 0.02, (trials, epochs + 1))
    pace = rng.lognormal(0, 0.4, trials)

    def loss(number: int, epoch: int) -> float:
        value = floor[number] + height[number] * epoch ** -rate[number]
        return float(value + noise[number, epoch])

    return World(loss, lambda number: float(pace[number]), epochs, begin=2.0, go_on=0.5)


def recorded(seed: int, curves: list[list[float]], seconds: list[float], begin: float) -> World:
    order = np.random.default_rng(seed).permutation(len(curves))
    return World(
        lambda number, epoch: curves[order[number]][epoch - 1],
        lambda number: seconds[order[number]],
        epochs=len(curves[0]),
        begin=begin,
        go_on=begin / 4,
    )


def scale(seeds: int, epochs: int) -> None:
    """Utilisation and time to target by the number of workers; a target that one trial in 100 reaches."""
    shares: dict[str, list[float]] = {name: [] for name in NAMES}
    print("| scheduler | workers | trials | busy | epochs, part of all | median seconds to target |")
    print("|---|---|---|---|---|---|")
    counts = [1, 10, 100, 1000]
    for workers in counts:
        trials = max(200, 4 * workers)
        for name in NAMES:
            outcomes, times = [], []
            for seed in range(seeds if workers < 1000 else 1):
                world = synthetic(seed, trials, epochs)
                target = float(np.quantile([world.loss(n, epochs) for n in range(trials)], 0.01))
                rule = scheduler(name, Budget(trials, epochs, 1, 3))
                outcomes.append(play(rule, workers, world))
                times.append(outcomes[-1].reached(target))
            busy = statistics.median(o.busy / (o.ended * workers) for o in outcomes)
            part = statistics.median(o.epochs / (trials * epochs) for o in outcomes)
            shares[name].append(busy)
            shown = f"{busy:.2f} | {part:.2f} | {statistics.median(times):.0f}"
            print(f"| {name} | {workers} | {trials} | {shown} |", flush=True)
    draw(counts, shares)


def draw(counts: list[int], shares: dict[str, list[float]]) -> None:
    import plotly.graph_objects as go

    figure = go.Figure([go.Scatter(x=counts, y=y, name=name) for name, y in shares.items()])
    figure.update_xaxes(type="log", title="workers")
    figure.update_yaxes(range=[0, 1.05], title="busy part of the workers' time")
    figure.write_html(PLOT, include_plotlyjs="cdn")
    print(f"plot: {PLOT}")


def replay(path: Path, seeds: int, workers: int) -> None:
    """Time to target on recorded curves; a target that one trial in 30 reaches."""
    known = json.loads(path.read_text())
    curves, seconds = known["curves"], known["seconds"]
    epochs = len(curves[0])
    target = float(np.quantile([min(c) for c in curves], 1 / 30))
    print(f"{len(curves)} curves of {epochs} epochs, target {target:.4f}, {seeds} seeds, {workers} workers")
    print("| scheduler | eta | epoch costs | median seconds to target | quartiles | never |")
    print("|---|---|---|---|---|---|")
    for factor in (1, 10, 100):  # as recorded, and as if the data were larger
        for name, eta in [("none", 3), *[(n, e) for n in NAMES if n != "none" for e in (2, 3, 4)]]:
            rule = scheduler(name, Budget(len(curves), epochs, 1, eta))
            times = []
            for seed in range(seeds):
                world = recorded(seed, curves, [s * factor for s in seconds], known["begin"])
                times.append(play(rule, workers, world).reached(target))
            found = [t for t in times if t < float("inf")]
            low, middle, high = np.quantile(found, [0.25, 0.5, 0.75])
            shown = f"{middle:.1f} | {low:.1f} to {high:.1f} | {len(times) - len(found)}"
            print(f"| {name} | {eta} | {factor} times | {shown} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=Path, help="replay these instead of synthetic ones")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--workers", type=int, default=2, help="for --curves")
    chosen = parser.parse_args()
    if chosen.curves:
        replay(chosen.curves, chosen.seeds or 200, chosen.workers)
    else:
        scale(chosen.seeds or 5, 27)


if __name__ == "__main__":
    main()
