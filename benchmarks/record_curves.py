"""Record learning curves for `simulated.py`: a random study on the digits, every trial trained fully.

    python benchmarks/record_curves.py curves.json --trials 200

Writes every trial's validation loss by epoch, the seconds of one of its epochs, and what beginning a trial
costs: the median of the seconds that a trial took beyond its epochs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlflow.entities import Metric

from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.trial import State


def record(trials: int, epochs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        command = [sys.executable, "-m", "mlflow_hpo", "search", "--algorithm", "random", "--workers", "2"]
        command += ["--max-trials", str(trials), "--max-epochs", str(epochs), "--metric", "val_loss"]
        subprocess.run(command, check=True, cwd=folder, env=os.environ | {"MLFLOW_TRACKING_URI": uri})
        study = find_study(Connection(uri), LATEST)
        client = study.connection.client
        done = [t for t in study.trials.load() if t.state is State.FINISHED]
        histories = [client.get_metric_history(t.run_id, "val_loss") for t in done]
    paces = [pace(history) for history in histories]
    beyond = [t.seconds - epochs * p for t, p in zip(done, paces, strict=True)]
    curves = [[round(m.value, 5) for m in history] for history in histories]
    return {"curves": curves, "seconds": paces, "begin": round(statistics.median(beyond), 3)}


def pace(history: list[Metric]) -> float:
    """Seconds of one epoch, tracing aside: from the second epoch to the last."""
    return round((history[-1].timestamp - history[1].timestamp) / 1000 / (len(history) - 2), 4)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=27)
    chosen = parser.parse_args()
    chosen.file.write_text(json.dumps(record(chosen.trials, chosen.epochs)))


if __name__ == "__main__":
    main()
