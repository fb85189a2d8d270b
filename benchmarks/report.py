"""What a ranking costs beside reading its runs: `python benchmarks/report.py`.

A study of 10,000 trials with 20 params each is laid into a new SQLite store, by MLflow's own tables. Then, in
one process and by turns, its runs are read with paged `search_runs`, and ranked by `mlflow-hpo report`'s own
functions, to the table's last line. The ranking may take 1.5 times the time of the reading.
"""

import argparse
import json
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
from rich.progress import track

from mlflow_hpo.metric import Metric
from mlflow_hpo.report.formats import formatted
from mlflow_hpo.report.query import RankingQuery, read
from mlflow_hpo.report.ranking import ranked
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import read_settings
from mlflow_hpo.store import Connection, StudyRun, keys, new_study

PARAMS = 20
METRICS = ("val_accuracy", "loss", "wall_seconds", "model_size_bytes")
AT_ONCE = 500
LIMIT = 1.5


def a_study(connection: Connection, count: int) -> StudyRun:
    """A study with so many finished trials."""
    run = new_study(connection)
    settings, metric = read_settings({"max_trials": count}), Metric("val_accuracy", maximize=True)
    info = StudyInfo(settings, (metric,), max_epochs=10, max_trials=count)
    run.begin(settings.dump(), info.record(), info.params(), "p0: {type: float, low: 0, high: 1}")
    store: Any = connection.client._tracking_client.store
    for first in track(range(0, count, AT_ONCE), "laying down runs"):
        with store.ManagedSessionMaker() as session:
            for number in range(first, min(first + AT_ONCE, count)):
                session.add_all(a_trial(run, number))
    return run


def a_trial(run: StudyRun, number: int) -> list[Any]:
    """The rows of one trial."""
    random, run_id = np.random.default_rng(number), uuid.uuid4().hex
    config = {f"p{i}": float(v) for i, v in enumerate(random.random(PARAMS))}
    value = float(random.random())
    tags = {
        keys.PARENT: run.run_id,
        keys.NUMBER: str(number),
        keys.STATE: "finished",
        keys.CONFIG: json.dumps(config),
        keys.RESULTS: json.dumps({"val_accuracy": {"10": value}}),
        keys.SECONDS: "1.5",
        keys.MODEL: f"models:/m-{run_id}",
    }
    facts = {"lifecycle_stage": "active", "source_type": "LOCAL", "user_id": "someone", "status": "FINISHED"}
    made = SqlRun(
        run_uuid=run_id,
        name=f"trial-{number:04d}",
        start_time=number,
        end_time=number + 1,
        artifact_uri=f"/nowhere/{run_id}",
        experiment_id=int(run.experiment_id),
        **facts,
    )
    rows: list[Any] = [made]
    rows += [SqlTag(key=k, value=v, run_uuid=run_id) for k, v in tags.items()]
    rows += [SqlParam(key=k, value=repr(v), run_uuid=run_id) for k, v in config.items()]
    return rows + [
        SqlLatestMetric(key=k, value=value, timestamp=0, step=10, is_nan=False, run_uuid=run_id)
        for k in METRICS
    ]


def read_runs(run: StudyRun) -> int:
    """Nothing but MLflow's own reading, page by page."""
    condition = f"tags.`{keys.PARENT}` = '{run.run_id}'"
    return len(list(run.connection.runs([run.experiment_id], condition, "attributes.start_time ASC")))


def rank_runs(run: StudyRun, style: str) -> int:
    found, order = read([run], RankingQuery((run.run_id,)))
    return len(formatted(ranked(found, order), style, 10 if style == "table" else None))


def seconds(task: Callable[[], int]) -> float:
    started = time.perf_counter()
    assert task()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = a_study(Connection(f"sqlite:///{Path(folder)}/mlflow.db"), asked.trials)
        tasks = {
            "paged search_runs": lambda: read_runs(run),
            "report, a table": lambda: rank_runs(run, "table"),
            "report, CSV of all": lambda: rank_runs(run, "csv"),
        }
        taken: dict[str, list[float]] = {name: [] for name in tasks}
        for _ in track(range(asked.repeats), "measuring"):
            for name, task in tasks.items():
                taken[name].append(seconds(task))
    print(f"Seconds for {asked.trials:,} trials of {PARAMS} params, the median of {asked.repeats}\n")
    base = median(taken["paged search_runs"])
    for name, values in taken.items():
        print(f"{name:20}{median(values):8.2f}{median(values) / base:8.2f} times")
    assert median(taken["report, a table"]) <= LIMIT * base, f"it takes more than {LIMIT} times the reading"


if __name__ == "__main__":
    main()
