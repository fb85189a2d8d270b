"""Any function: `objective(trial)`, which reports through the trial, or one that returns a number."""

import inspect
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_hpo.data import Data
from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.models import ModelInfo, keyword_defaults
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.scoring import read_predictions, scores

TRIAL = "trial"
LOSS = "loss"
TRIAL_FORM, CONFIG_FORM, KEYWORD_FORM = (
    "objective(trial)",
    "objective(config)",
    "objective(name=default, ...)",
)


@dataclass(frozen=True)
class FunctionObjective:
    """Calls the user's function.

    Attributes:
        form: how it is called.
        structure: turns a config into what the function takes, where that is not the config itself.
    """

    function: Callable[..., Any]
    form: str
    structure: Callable[[Mapping[str, Any]], Any] | None = None
    packages: tuple[str, ...] = ("numpy",)

    def warm_up(self) -> None:
        """Nothing: loading the function imported what it needs."""

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        keywords = self.form == KEYWORD_FORM
        return ModelInfo(
            name=name,
            defaults=keyword_defaults(self.function) if keywords else {},
            takes=frozenset(keyword_defaults(self.function)) if keywords else None,
            metric={"": LOSS},
            has_epochs=self.form == TRIAL_FORM,
            needs_data=False,
        )

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """See `Objective.dry_run`: what it reports, only a call can tell."""
        return None

    def train(self, trial: Handle) -> None:
        """See `Objective.train`."""
        trial.restore()  # the user's code might take a failure for a checkpoint that is not there
        random.seed(trial.seed)
        np.random.seed(trial.seed % 2**32)
        answer = self._called(trial)
        progress = trial.progress
        if answer is not None or not (progress.reported or trial.start):
            self._conclude(trial, _metrics(answer, trial.context.metric_name or LOSS))
        was_told = progress.stop_epoch is not None and progress.stop_epoch >= trial.reached
        if not (was_told or progress.ended_itself) and trial.reached != trial.epochs:
            progress.end(trial.where)

    def _conclude(self, trial: Handle, metrics: Mapping[str, float]) -> None:
        """What it returned is of its last epoch, as far as it did not report that.

        That is the last it reported, if it reported each or was told to end; else it trained for all.
        """
        reported = trial.progress.reported
        each = len(reported) == trial.reached - trial.start
        if not reported or not (each or trial.progress.stop_epoch):
            trial.report(trial.epochs, metrics)
            return
        known = reported[trial.reached]
        if new := {k: v for k, v in metrics.items() if k not in known}:
            trial.reporter.on_report(trial.reached, new)

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """See `Objective.evaluate`."""
        answers = load("pyfunc").predict(data.test.x)
        return scores(read_predictions(answers, data, data.test), data, data.test)

    def _called(self, trial: Handle) -> Any:
        if self.form == TRIAL_FORM:
            return self.function(trial)
        config = dict(trial.config)
        if self.form == KEYWORD_FORM:
            return self.function(**config)
        return self.function(self.structure(config) if self.structure else config)


def _metrics(answer: Any, metric: str) -> dict[str, float]:
    """What a function returned, as metrics; Hyperopt's form is `{"loss": ..., "status": ...}`.

    Raises:
        SetupError: it is neither a number nor a mapping with numbers.
        TrialError: it says that it failed.
    """
    if isinstance(answer, Mapping):
        if answer.get("status", "ok") != "ok":
            raise TrialError(f"the objective said status {answer['status']!r}")
        found = {str(k): float(v) for k, v in answer.items() if _is_number(v)}
    elif _is_number(answer):
        found = {metric: float(answer)}
    else:
        found = {}
    if not found:
        raise SetupError(
            f"the objective returned {type(answer).__name__} and reported nothing: "
            f"return {metric!r} as a number, or call trial.report(epoch, {{{metric!r}: ...}})"
        )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def form_of(function: Callable[..., Any]) -> str:
    """How a function of the user's wants to be called, by its arguments."""
    parameters = list(inspect.signature(function).parameters.values())
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if not required:
        return KEYWORD_FORM
    return TRIAL_FORM if required[0].name == TRIAL else CONFIG_FORM
