"""What runs in a worker before a study begins: a look at the user's model and data, and a rehearsal."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.process import data_of, user_errors

if TYPE_CHECKING:
    from mlflow_hpo.models import Model
    from mlflow_hpo.subject import Facts, Subject


def look(subject: Subject, name: str) -> tuple[Model, Facts]:
    """What a driver must know of the model and the data.

    Args:
        name: how the model is to be named.

    Raises:
        HpoError: they cannot be loaded.
    """
    from mlflow_hpo.objectives.find import find_objective
    from mlflow_hpo.subject import Facts

    with user_errors(f"model {name!r} or its data cannot be loaded: "):
        data = data_of(subject)
        facts = Facts(data.task, data.classes, len(data.train)) if data else Facts("", 0, 0)
        return find_objective(subject).describe(name, data), facts


@user_errors("the model cannot be built with its baseline: ")
def rehearse(subject: Subject, config: Mapping[str, Any], max_epochs: int) -> tuple[str, ...] | None:
    """Try a config on a few rows, before any trial starts.

    Returns:
        The metrics that its training will report; None where only training tells.

    Raises:
        HpoError: model and data do not fit.
    """
    from mlflow_hpo.objectives.find import find_objective
    from mlflow_hpo.objectives.handle import Handle

    with tempfile.TemporaryDirectory(prefix="mlflow-hpo-") as folder:
        trial = Handle(
            config=config,
            seed=0,
            start=0,
            epochs=1,
            max_epochs=max_epochs,
            data=data_of(subject),
            folder=Path(folder),
            on_report=lambda epoch, metrics: None,
            on_model=lambda *args, **how: "",
        )
        return find_objective(subject).rehearse(trial)
