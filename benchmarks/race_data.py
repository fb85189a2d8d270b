"""The tasks of `race.py`, of scikit-learn's bundled data: images of digits, and a table of measurements."""

import os
from pathlib import Path
from typing import Any

TASK = "RACE_TASK"  # the environment variable that tells a peer's process which
DIGITS, CANCER = "digits", "breast_cancer"


def breast_cancer() -> tuple[Any, Any]:
    """569 rows of 30 measurements, standardised, and two classes."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def name_of(task: str) -> str:
    """What the project calls the task's data."""
    return DIGITS if task == DIGITS else f"{Path(__file__).resolve()}:{task}"


def load() -> Any:
    """The data of the task that this process is to race on, in the project's own split."""
    from race_ours import SPLIT

    from mlflow_hpo.data import DataSpec, load_data

    return load_data(DataSpec(name_of(os.environ[TASK]), SPLIT))
