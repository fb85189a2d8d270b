"""What a promotion costs, beside the rung it trains; and how many promotions a study has to make.

    python benchmarks/search.py promotions --models mlp cnn --trials 8 --study 60

First, trials of random configs on the digits, in one worker's process: each trains its first rung, then each
its second, and so on; with the models that the worker holds, and once more from checkpoints. `beyond` is what
a promotion took beside its epochs: restoring, tracing, the metrics, the checkpoint, the model. Then a study
with `tpe` and `asha`: of all promotions, how many were made within a unit whose trial cleared its thresholds,
which costs nothing beside its epochs.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median

from overhead import search
from rich.console import Console
from rich.table import Table

from mlflow_hpo.algorithms import algorithm, propose
from mlflow_hpo.data import DataSpec
from mlflow_hpo.metric import Metric
from mlflow_hpo.models import find_model
from mlflow_hpo.objectives.keras import held
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.space import parse_space
from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.trial import Config, Unit
from mlflow_hpo.worker.messages import Assignment, Task
from mlflow_hpo.worker.startup import warm_up
from mlflow_hpo.worker.train import train

RUNGS = (1, 3, 9, 27)
METRIC = "val_loss"
Seconds = dict[tuple[int, int, str], list[tuple[float, float]]]  # rung, way -> of its epochs, beyond them


def seconds(ends: list[float], start: int) -> float:
    """Of the epochs after `start`: as many times their median, so that pauses between units do not count."""
    after = sorted(ends)[start:]
    return median(b - a for a, b in pairwise(after)) * len(after) if len(after) > 1 else 0.0


class Worker:
    """Trains units in this process, as a worker does."""

    def __init__(self, model: str, folder: Path) -> None:
        self.connection = Connection(f"sqlite:///{folder}/{model}.db")
        self.experiment = self.connection.client.create_experiment(model)
        metric = Metric(METRIC, maximize=False)
        spec = ObjectiveSpec(model, DataSpec("digits", 0), metric=metric)
        warm_up(spec, 1)
        self.task = Task(spec, (metric,), None, RUNGS[-1], self.connection.uri, self.experiment)

    def create(self) -> str:
        return str(self.connection.client.create_run(self.experiment).info.run_id)

    def train(self, run_id: str, config: Config, start: int, stop: int) -> tuple[float, float]:
        """Seconds of the epochs, and beyond them."""
        source = run_id if start else None
        began = time.perf_counter()
        train(Assignment(self.task, Unit(0, start, stop), run_id, config, int(run_id[:7], 16), source))
        whole = time.perf_counter() - began
        found = self.connection.client.get_metric_history(run_id, METRIC)
        epochs = seconds([m.timestamp / 1000 for m in found], start)
        return epochs, whole - epochs


def measured(model: str, trials: int, folder: Path) -> Seconds:
    worker = Worker(model, folder)
    space = parse_space(find_model(model).space_text, model)
    random = algorithm("random")
    configs = [propose(random, space, [], number, 7) or {} for number in range(1, trials + 1)]
    found: Seconds = defaultdict(list)
    for way in ("held", "checkpoint"):
        runs = [(worker.create(), config) for config in configs]
        for start, stop in pairwise((0, *RUNGS)):
            for run_id, config in runs:
                if way == "checkpoint":
                    held.clear()
                spent = worker.train(run_id, config, start, stop)
                found[start, stop, way if start else "first"].append(spent)
    return found


def show(console: Console, model: str, found: Seconds) -> None:
    table = Table(title=f"{model}: seconds of a rung, medians")
    for column in ("epochs", "from", "its epochs", "beyond", "beyond / epochs"):
        table.add_column(column, justify="right")
    for (start, stop, way), pairs in found.items():
        epochs, beyond = (median(values) for values in zip(*pairs, strict=True))
        ratio = f"{beyond / epochs:.2f}" if epochs else ""
        table.add_row(f"{start} to {stop}", way, f"{epochs:.2f}" if epochs else "", f"{beyond:.2f}", ratio)
    console.print(table)


def promotions(trials: int, folder: Path) -> tuple[int, int, float]:
    """A study's promotions, how many of them took a unit of their own, and the seconds of their epochs."""
    uri = f"sqlite:///{folder}/study.db"
    sizes = (f"--max-trials={trials}", f"--max-epochs={RUNGS[-1]}", "--workers=2")
    search(folder, "--algorithm=tpe", "--scheduler=asha", "--eta=3", f"--metric={METRIC}", *sizes, uri=uri)
    study = find_study(Connection(uri), LATEST)
    client = study.connection.client
    done = [t for t in study.trials.load() if len(t.losses) > 1]
    units = [len(client.list_artifacts(t.run_id, "checkpoints")) for t in done]
    ends = [client.get_metric_history(t.run_id, METRIC) for t in done]
    trained = sum(seconds([m.timestamp / 1000 for m in found], RUNGS[0]) for found in ends)
    return sum(len(t.losses) - 1 for t in done), sum(units) - len(units), trained


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["mlp", "cnn"])
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--study", type=int, default=60, metavar="TRIALS")
    chosen = parser.parse_args()
    if chosen.trials > held.MAX_HELD:
        parser.error(f"--trials: a worker holds {held.MAX_HELD} models")
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        for model in chosen.models:
            show(console, model, measured(model, chosen.trials, Path(name)))
        every, own, trained = promotions(chosen.study, Path(name))
    console.print(f"tpe + asha, {chosen.study} trials: {every} promotions, whose epochs took {trained:.1f} s")
    console.print(f"{every - own} of them within a unit, {own} from a held model or a checkpoint")


if __name__ == "__main__":
    main()
