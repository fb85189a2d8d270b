"""Gives a logged model as the user's own code makes it, where that code is at hand."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import HpoError, SetupError
from mlflow_hpo.objectives.find import find_objective
from mlflow_hpo.objectives.given_config import given_config
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.reporter import SilentReporter
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.objectives.unit import UnitContext
from mlflow_hpo.store import download_model, example_of, flavors_of, load_native
from mlflow_hpo.trial import Trial
from mlflow_hpo.worker.startup import data_of, user_errors


def native_model(spec: ObjectiveSpec, trial: Trial, uri: str, tracking_uri: str) -> Any:
    """Loads a trial's model as its own framework has it.

    A Keras model that is logged without parts of the user's code is built by that code and given the logged
    weights, so that it is compiled, too; where the code is not at hand, it is loaded as it was logged.
    """
    if "keras" not in flavors_of(uri, tracking_uri):
        return load_native(uri, tracking_uri)
    try:
        model = load_native(uri, tracking_uri)
        if getattr(model, "compiled", False):
            return model
    except Exception:  # it is made of the user's classes, and could not be exported
        model = None
    try:
        with tempfile.TemporaryDirectory() as folder, user_errors():
            return _built(spec, trial, download_model(uri, tracking_uri, Path(folder)))
    except HpoError:
        if model is None:
            raise
        return model


def _built(spec: ObjectiveSpec, trial: Trial, files: Path) -> Any:
    from mlflow_hpo.objectives.keras import KerasObjective

    objective = find_objective(replace(spec, folds=1, repeats=1))
    if not isinstance(objective, KerasObjective):  # a function's, which logged the model by itself
        raise SetupError("nothing builds the model")
    unit = UnitContext(
        config=given_config(spec, trial.config),
        seed=0,
        start=trial.epochs,
        epochs=trial.epochs,
        max_epochs=trial.epochs,
        data=data_of(spec),
        folder=files,
    )
    return objective.restored(Handle(unit, SilentReporter()), example_of(files))
