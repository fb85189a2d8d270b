"""Trains with any function: one that reports through `objective(trial)`, or one that returns a number."""

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.data.streams import check_rows
from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.metric import number
from mlflow_hpo.models import ModelInfo, keyword_defaults
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.handle import LOSS, Handle
from mlflow_hpo.objectives.scoring import read_predictions, scores
from mlflow_hpo.objectives.suggest import is_pruned

TRIAL = "trial"
TRIAL_FORM, CONFIG_FORM, KEYWORD_FORM = (
    "objective(trial)",
    "objective(config)",
    "objective(name=default, ...)",
)


@dataclass(frozen=True)
class FunctionObjective(Objective):
    """Calls the user's function.

    Attributes:
        form: how it is called.
        structure: turns a config into the function's argument, if that is not the config itself.
    """

    function: Callable[..., Any]
    form: str
    structure: Callable[[Mapping[str, Any]], Any] | None = None
    packages: tuple[str, ...] = ("numpy",)

    @override
    def warm_up(self) -> None:
        """Does nothing: loading the function imported what it needs."""

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        check_rows(data, "a function")
        keywords = self.form == KEYWORD_FORM
        return ModelInfo(
            name=name,
            defaults=keyword_defaults(self.function) if keywords else {},
            takes=frozenset(keyword_defaults(self.function)) if keywords else None,
            metric={"": LOSS},
            has_epochs=self.form == TRIAL_FORM,
            needs_data=False,
            asks=self.form == TRIAL_FORM,
        )

    @override
    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Returns None: only a call tells what the function reports."""
        return None

    @override
    def train(self, trial: Handle) -> None:
        trial.restore()  # the user's code might take a failure for a checkpoint that is not there
        random.seed(trial.seed)
        np.random.seed(trial.seed % 2**32)
        with _own_model(trial):
            answer = self._answer(trial)
        progress = trial.progress
        if answer is not None or not (progress.reported or trial.start):
            named = _named(answer, trial.context.metrics)
            self._conclude(trial, _metrics(named, trial.context.metric_name or LOSS))
        was_told = progress.stop_epoch is not None and progress.stop_epoch >= trial.reached
        ended = was_told or progress.ended_itself or progress.stopped
        if not ended and trial.reached != trial.epochs:
            progress.end(trial.where)

    def _conclude(self, trial: Handle, metrics: Mapping[str, float]) -> None:
        """Reports what the function returned as metrics of its last epoch, as far as it did not report them.

        That is the last epoch it reported, if it reported each or was told to end; else it trained for all.
        """
        reported = trial.progress.reported
        if trial.progress.steps:
            trial.conclude(metrics)
            return
        if not (reported or trial.start or trial.progress.trains_epochs):
            trial.report(1, metrics)
            trial.progress.is_whole = trial.progress.ended_itself = True
            return
        each = len(reported) == trial.reached - trial.start
        if not reported or not (each or trial.progress.stop_epoch):
            trial.report(trial.epochs, metrics)
            return
        known = reported[trial.reached]
        if new := {k: v for k, v in metrics.items() if k not in known}:
            trial.reporter.on_report(trial.reached, new)

    @override
    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        answers = load("pyfunc").predict(data.test.x)
        return scores(read_predictions(answers, data, data.test), data, data.test)

    def _answer(self, trial: Handle) -> Any:
        """Returns what the function returns; of one that prunes itself as Optuna's do, its last value."""
        try:
            return self._call(trial)
        except Exception as error:
            if not is_pruned(error):
                raise
        progress = trial.progress
        if trial.should_prune():
            return None
        if not progress.steps:
            raise TrialError("the objective pruned itself before it reported a value")
        progress.stop(f"pruned itself at step {[*progress.steps][-1]}")
        return progress.steps[[*progress.steps][-1]]

    def _call(self, trial: Handle) -> Any:
        if self.form == TRIAL_FORM:
            return self.function(Watched(**{f.name: getattr(trial, f.name) for f in fields(trial)}))
        config = dict(trial.config)
        if self.form == KEYWORD_FORM:
            return self.function(**config)
        return self.function(self.structure(config) if self.structure else config)


class Watched(Handle):
    """A trial as the user's function gets it: notes whether that asks how long to train."""

    @property
    @override
    def epochs(self) -> int:
        """The number of epochs that are to be trained in all, when the unit ends."""
        self.progress.trains_epochs = True
        return super().epochs

    @property
    @override
    def max_epochs(self) -> int:
        """The most epochs a trial may get."""
        self.progress.trains_epochs = True
        return super().max_epochs

    @override
    def log_model(self, flavor: str, model: Any, **options: Any) -> None:
        """Logs the model as it is now; the trial's stays that of an earlier unit, if its value counts."""
        super().log_model(flavor, model, **options)
        if _counts_earlier(self):
            self.progress.model_uri = ""


@contextmanager
def _own_model(trial: Handle) -> Iterator[None]:
    """Takes the model that the code within logs by MLflow itself, if it does not use `log_model`."""
    before = trial.reporter.logged_models() if trial.start else {}  # at 0 only a unit that was cut left any
    yield
    if not trial.progress.model_uri and not _counts_earlier(trial):
        logged = trial.reporter.logged_models()
        trial.progress.model_uri = _counted({uri: logged[uri] for uri in logged if uri not in before}, trial)


def _counts_earlier(trial: Handle) -> bool:
    """Tells whether the epoch whose value counts is one of the trial's earlier units."""
    return trial.best_epoch is not None and trial.best_epoch <= trial.start


def _counted(models: Mapping[str, int], trial: Handle) -> str:
    """Returns the model of the epoch whose value counts, if each logged one or said which; or the newest.

    Args:
        models: URI -> the step that it was logged with, oldest first.
    """
    uris, epochs = [*models], sorted(trial.progress.reported)
    if trial.best_epoch in epochs and len(uris) == len(epochs):
        return uris[epochs.index(trial.best_epoch)]
    of_best = [uri for uri in uris if models[uri] == trial.best_epoch]
    return (of_best or uris or [""])[-1]


def _named(answer: Any, names: tuple[str, ...]) -> Any:
    """Returns several values, as Optuna's objectives return them, by the names of the study's metrics.

    Raises:
        SetupError: there are not as many.
    """
    if not isinstance(answer, tuple | list) or not answer:
        return answer
    if len(answer) != len(names):
        raise SetupError(
            f"the function returned {len(answer)} values, and the study's metric is "
            f"{', '.join(names) or LOSS}: name one metric for each, with its direction, as "
            "metric='loss,seconds:minimize'"
        )
    return dict(zip(names, answer, strict=True))


def _metrics(answer: Any, metric: str) -> dict[str, float]:
    """Returns what a function returned as metrics; Hyperopt's form is `{"loss": ..., "status": ...}`.

    Raises:
        SetupError: it is neither a number nor a mapping with numbers.
        TrialError: it says that it failed.
    """
    if isinstance(answer, Mapping):
        if answer.get("status", "ok") != "ok":
            raise TrialError(f"the objective said status {answer['status']!r}")
        values = {str(key): number(value) for key, value in answer.items()}
    else:
        values = {metric: number(answer)}
    metrics = {name: value for name, value in values.items() if value is not None}
    if not metrics:
        raise SetupError(
            f"the objective returned {type(answer).__name__} and reported nothing: "
            f"return {metric!r} as a number, or call trial.report(epoch, {{{metric!r}: ...}})"
        )
    return metrics


def form_of(function: Callable[..., Any]) -> str:
    """Tells by a function's arguments how it wants to be called."""
    parameters = list(inspect.signature(function).parameters.values())
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if not required:
        return KEYWORD_FORM
    return TRIAL_FORM if required[0].name == TRIAL else CONFIG_FORM
