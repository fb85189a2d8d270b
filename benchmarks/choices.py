"""What a choice of many options costs: `python benchmarks/search.py choices`.

Whole studies of a function, in this process, into a SQLite store of their own: the space is read, configs are
proposed, trials are logged and the page is drawn. Two floats stand beside the choice; `nested`: each of its
options has a float of its own. The first study of all, which imports the libraries, is not timed.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = (10, 10_000)
FLOAT = {"type": "float", "low": 0.0, "high": 1.0}


def space(kind: str, size: int) -> dict[str, Any]:
    names = [f"option {i}" for i in range(size)]
    options = names if kind == "plain" else [{name: {"below": FLOAT}} for name in names]
    return {"choice": options, "x": FLOAT, "y": FLOAT}


def loss(config: dict[str, Any]) -> float:
    return float(config["x"] + config["y"])


def seconds(name: str, kind: str, size: int, trials: int) -> float:
    import mlflow_hpo

    begin = time.perf_counter()
    mlflow_hpo.tune(loss, space(kind, size), algorithm=name, max_trials=trials, workers=0, progress=False)
    return time.perf_counter() - begin


def main() -> None:
    from mlflow_hpo.algorithms import ALGORITHMS, GRID

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--only", nargs="+", default=[*ALGORITHMS, GRID])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        seconds("random", "plain", SIZES[0], 2)
        print(f"seconds for {options.trials} trials with {SIZES[0]} and {SIZES[1]:,} options, and the ratio")
        for kind in ("plain", "nested"):
            for name in options.only:
                few, many = (seconds(name, kind, size, options.trials) for size in SIZES)
                print(f"{kind:8}{name:12}{few:8.2f}{many:8.2f}{many / few:8.2f}", flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
