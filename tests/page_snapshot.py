"""Made-up studies for the tests of the page: snapshot without a store."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from plans import make_info

from mlflow_hpo.report.snapshot import StudySnapshot, TrialView, chosen
from mlflow_hpo.space import parse_space
from mlflow_hpo.store.history import UnitSpan
from mlflow_hpo.trial import State, Trial

SPACE = """
units: {type: int, low: 32, high: 256, step: 32}
optimizer:
  - adam
  - sgd: {momentum: {type: float, low: 0.0, high: 0.99}}
learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
dropout: {type: float, low: 0.0, high: 0.5}
"""
MACHINE = {"host": "box", "cpu": "a CPU", "cpu_cores": "2", "memory_gb": "8.0", "python": "3.11.7"}
USED = {"cpu_seconds": 1.5, "peak_memory_mb": 900.0}
FAILURE = "loss became nan at epoch {}"


def snapshot(
    views: list[TrialView], space: str = SPACE, name: str = "a-study", **options: Any
) -> StudySnapshot:
    """A study of these trials; the learning rate decides, a little noise apart."""
    info = make_info({"max_trials": max(len(views), 1), **options})
    return StudySnapshot(
        name=name,
        run_id="0123456789abcdef",
        state="finished",
        uri="sqlite:///mlflow.db",
        experiment_id="0",
        began=1_700_000_000.0,
        seconds=max((view.spans[-1].end for view in views if view.spans), default=0.0),
        info=info,
        space=parse_space(space, "space.yaml"),
        views=tuple(views),
        curves_read=sum(bool(view.curve) for view in views),
    )


def finished(number: int, value: float, epochs: int = 10, curve: int = 10, **config: Any) -> TrialView:
    """A trial of `val_accuracy` that came to `value` after so many epochs."""
    begin = 2.0 * (number // 2)
    trial = Trial(
        number,
        f"run{number}",
        State.FINISHED,
        config,
        {"loss": {epochs: -value}},
        1.5,
        model_uri=f"models:/m-{number}",
    )
    points = tuple((e, value - 0.3 / e + 0.3 / curve + 1e-3 * (e % 3)) for e in range(1, curve + 1))
    return TrialView(trial, value, (UnitSpan(begin, begin + 1.5, epochs),), points, USED, MACHINE)


def failed(number: int, reason: str = "") -> TrialView:
    """A trial that failed at once."""
    trial = Trial(
        number, f"run{number}", State.FAILED, {"units": 64}, reason=reason or FAILURE.format(number)
    )
    begin = 2.0 * (number // 2)
    return TrialView(trial, spans=(UnitSpan(begin, begin + 0.5, 0),), machine=MACHINE)


def config(random: np.random.Generator) -> dict[str, Any]:
    """A point of `SPACE`."""
    point: dict[str, Any] = {"units": int(32 * random.integers(1, 9)), "optimizer": "adam"}
    if random.random() < 0.5:
        point |= {"optimizer": "sgd", "momentum": float(random.uniform(0, 0.99))}
    rate = float(10 ** random.uniform(-4, -1))
    return {**point, "learning_rate": rate, "dropout": float(random.uniform(0, 0.5))}


def many(count: int, max_epochs: int = 100, scheduler: str = "asha", failing: float = 0.05) -> StudySnapshot:
    """A study of so many trials, one in three of which went on at each rung."""
    random, views = np.random.default_rng(0), list[TrialView]()
    rungs = [max_epochs // 3**k for k in (4, 3, 2, 1, 0)] if scheduler == "asha" else [max_epochs]
    for number in range(count):
        if number and random.random() < failing:
            views.append(failed(number))
            continue
        point = config(random)
        value = 0.95 - 0.1 * abs(math.log10(point["learning_rate"]) + 2.5) + 0.01 * float(random.normal())
        reached = len(rungs) if number == 0 else 1
        while reached < len(rungs) and random.random() < 1 / 3:
            reached += 1
        views.append(finished(number, value, rungs[reached - 1], rungs[reached - 1], **point))
    read = chosen([view.trial for view in views])
    kept = [view if view.number in read else replace(view, curve=()) for view in views]
    return snapshot(kept, scheduler=scheduler, max_epochs=max_epochs, workers=2)
