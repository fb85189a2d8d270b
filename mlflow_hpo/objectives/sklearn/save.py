"""Checkpoints of estimators, and how their models are logged."""

from collections.abc import Sequence
from copy import deepcopy
from importlib.metadata import packages_distributions
from typing import Any

from mlflow_hpo.data.preprocess import ModelInputs
from mlflow_hpo.errors import TrialError
from mlflow_hpo.hardware import versions
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.sklearn.estimators import head

FILE = "estimator.joblib"
BEST_FILE = "best_estimator.joblib"


def restored(trial: Handle) -> Any:
    """Returns the estimator of the checkpoint.

    Raises:
        TrialError: the checkpoint holds none.
    """
    import joblib

    file = trial.checkpoint / FILE
    if not file.exists():
        raise TrialError(f"the checkpoint of epoch {trial.start} holds no {FILE}")
    return joblib.load(file)


def keep(trial: Handle, estimator: Any, continues: bool) -> None:
    """Leaves the checkpoint; an estimator that each epoch fits from nothing needs but a mark."""
    import joblib

    if continues:
        joblib.dump(estimator, trial.context.folder / FILE)
    else:
        (trial.context.folder / "epochs.txt").write_text(str(trial.reached))


class Best:
    """Keeps an estimator as it was at the epoch whose value counts."""

    def __init__(self, trial: Handle) -> None:
        self._trial, self._file = trial, trial.context.folder / BEST_FILE
        self._estimator: Any = None

    def note(self, estimator: Any, epoch: int) -> None:
        """Copies the estimator, if this epoch is the best so far and not the last."""
        if epoch == self._trial.best_epoch:
            self._estimator = deepcopy(estimator) if epoch < self._trial.epochs else None

    def of(self, estimator: Any) -> Any:
        """Returns the estimator that counts, and leaves it in the checkpoint if it is not the last one."""
        import joblib

        if self._trial.best_epoch in (None, self._trial.reached):
            self._estimator = estimator
        elif self._estimator is None:  # of an earlier unit
            _ = self._trial.checkpoint
            self._estimator = joblib.load(self._file)
        if self._trial.best_epoch is not None:
            joblib.dump(self._estimator, self._file)
        return self._estimator


def log(trial: Handle, estimator: Any, inputs: ModelInputs, packages: Sequence[str]) -> None:
    """Logs a model, with the preprocessing of its table if there is one."""
    from sklearn.pipeline import Pipeline

    assert inputs.raw is not None
    model = estimator
    if inputs.transformer is not None:
        model = Pipeline([("preprocess", inputs.transformer), ("model", estimator)])
    example = head(inputs.raw.train.x)
    pinned = versions("mlflow", *packages, *_packages_of(estimator))
    trial.log_model(
        "sklearn",
        model,
        inputs=example,
        outputs=model.predict(example),
        pip_requirements=[f"{name}=={version}" for name, version in pinned.items()],
        serialization_format="cloudpickle",
    )


def _packages_of(estimator: Any) -> set[str]:
    """Returns the distributions that an estimator of another library, or a Pipeline's steps, come from."""
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    modules = {type(step).__module__.split(".")[0] for step in steps} - {"sklearn", "mlflow_hpo", "__main__"}
    return {name for module in modules for name in packages_distributions().get(module, [])}
