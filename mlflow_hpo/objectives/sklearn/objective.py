"""Trains scikit-learn's estimators and Pipelines, and others with their interface (XGBoost's, LightGBM's)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from typing_extensions import override

from mlflow_hpo.data import CLASSIFICATION, REGRESSION, Data
from mlflow_hpo.data.preprocess import ModelInputs, flattened, needs_preprocessing
from mlflow_hpo.data.streams import check_rows
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import HpoError, SetupError, TrialError, worded
from mlflow_hpo.models import DEFAULT_EPOCHS, ModelInfo
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.scoring import predict_with, scores
from mlflow_hpo.objectives.sklearn.boosters import all_params, fit, rounds_asked
from mlflow_hpo.objectives.sklearn.estimators import share, taken
from mlflow_hpo.objectives.sklearn.factory import EstimatorFactory
from mlflow_hpo.objectives.sklearn.inputs import inputs_for
from mlflow_hpo.objectives.sklearn.resources import (
    BATCH_SIZE,
    NONE,
    Once,
    Param,
    PartialFit,
    Resource,
    Rounds,
    check_resource,
    resource_of,
)
from mlflow_hpo.objectives.sklearn.save import Best, keep, log, restored
from mlflow_hpo.objectives.sklearn.scorers import MetricScorer

FEW_ROWS = 100  # of a dry run


@dataclass(frozen=True)
class SklearnObjective(Objective):
    """Trains an estimator with a config as its params.

    Attributes:
        target: see `EstimatorFactory`.
        resource: what an epoch is: `partial_fit` (a pass over the rows), `samples` (a share of the rows), the
            name of a param (epoch e: its value is e), `none`: it is fitted once, or `auto`.
        preprocess: see `model_inputs`; a Pipeline brings its own.
        metric: the study's metric; a scorer of scikit-learn's is reported if the metric names it.
        scorer: computes the metric, if Python gave it (see `MetricScorer`).
        others: further metrics that trials are judged by.
    """

    target: Any
    resource: str = NONE
    preprocess: str = "auto"
    metric: str = ""
    scorer: Any = None
    others: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("scikit-learn", "numpy")

    @override
    def warm_up(self) -> None:
        """Imports scikit-learn."""
        import sklearn.base  # noqa: F401

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        check_rows(data, "an estimator")
        estimator, arguments = self._factory.make({}), self._factory.arguments
        params, resource = all_params(estimator), self._resource
        check_resource(resource, name, estimator, params)
        takes = {*params, *arguments, *((BATCH_SIZE,) if isinstance(resource, PartialFit) else ())}
        return ModelInfo(
            name=name,
            defaults={**params, **arguments},
            takes=frozenset(takes - {resource.name} if type(resource) is Param else takes),
            space_text=getattr(self.target, "space_text", ""),
            metric={CLASSIFICATION: "val_accuracy", REGRESSION: "val_r2"},
            has_epochs=type(resource) is not Once,
            has_resources=True,
            epochs_param=resource.name if isinstance(resource, Rounds) else "",
            usual_epochs=rounds_asked(estimator) if isinstance(resource, Rounds) else DEFAULT_EPOCHS,
        )

    @override
    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Fits a few rows and, if that fails, all of them: some estimators need more rows than a few."""
        if trial.data is None:
            raise SetupError("an estimator is trained on data: name a data set")
        for what, column in (("input", trial.data.train.x), ("target", trial.data.train.y)):
            if is_several(column):
                raise SetupError(f"an estimator takes one {what}, and the data have {len(column)}")
        data = self._inputs(trial.data).data
        assert data is not None
        names: tuple[str, ...] = ("accuracy", "loss") if data.classes else ("r2", "rmse", "mae")
        names = (*names, *(f"val_{name}" for name in names))
        names = (*names, *self._scorer.names(data, names))
        try:
            self._try(trial, data, FEW_ROWS / len(data.train), epochs=1)
        except SetupError:
            raise
        except Exception:
            self._try_all(trial, data)
        return names

    @override
    def train(self, trial: Handle) -> None:
        assert trial.data is not None
        inputs, resource = self._inputs(trial.data), self._resource
        assert inputs.data is not None
        estimator = self._factory.make(trial.config, trial.seed)
        continues = resource.continues(estimator)
        if trial.start and continues:
            estimator = restored(trial)
        best = Best(trial)
        for epoch in resource.epochs(trial):
            estimator, reached = resource.advance(estimator, inputs.data, trial, epoch)
            goes_on = trial.report(reached, self._scores(estimator, inputs.data))
            best.note(estimator, reached)
            if not goes_on or reached < epoch:
                break
        keep(trial, estimator, continues)
        estimator = best.of(estimator)
        resource.note_best(estimator, trial)
        log(trial, estimator, inputs, self.packages)
        trial.log_cost(estimator.predict, inputs.data.train.x)

    @override
    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        data = flattened(data)
        return scores(predict_with(load("sklearn"), data, data.test), data, data.test)

    @property
    def _factory(self) -> EstimatorFactory:
        return EstimatorFactory(self.target)

    @property
    def _resource(self) -> Resource:
        return resource_of(self.resource, self._factory.make({}))

    @property
    def _scorer(self) -> MetricScorer:
        return MetricScorer(self.metric, self.scorer, self.others)

    def _inputs(self, data: Data) -> ModelInputs:
        return inputs_for(self._factory, data, self.preprocess)

    def _try_all(self, trial: Handle, data: Data) -> None:
        try:
            self._try(trial, data, 1, trial.max_epochs)
        except HpoError as error:  # it says what is wrong
            raise SetupError(str(error)) from error
        except Exception as error:
            reason = needs_preprocessing(data)
            hint = f" ({reason}, and a Pipeline gets the columns as they are)" if reason else ""
            raise SetupError(
                f"the model cannot be fitted to {data.title}: {worded(error, whole=False)}{hint}"
            ) from error

    def _try(self, trial: Handle, data: Data, part: float, epochs: int) -> None:
        """Fits a part of the rows, predicts, and scores by what the metric names."""
        estimator, train = self._factory.make(trial.config, trial.seed), data.train
        rows = share(train.y if data.classes else None, np.arange(len(train)), min(part, 1))
        self._resource.set_budget(estimator, epochs)
        fit(estimator, data, rows, seed=trial.seed)
        estimator.predict(taken(train.x, rows))
        for scorer in self._scorer.each:
            if scorer.adds(data, ()):
                _try_scorer(scorer, estimator, data)

    def _scores(self, estimator: Any, data: Data) -> dict[str, float]:
        train, held_out = data.train, data.validation
        metrics = scores(predict_with(estimator, data, train), data, train)
        if len(held_out):
            of_held_out = scores(predict_with(estimator, data, held_out), data, held_out)
            metrics |= {f"val_{name}": value for name, value in of_held_out.items()}
        for scorer in self._scorer.each:
            if scorer.adds(data, metrics):
                metrics[scorer.metric] = scorer.score_estimator(estimator, data)
        return metrics


def _try_scorer(scorer: MetricScorer, estimator: Any, data: Data) -> None:
    try:
        scorer.score_estimator(estimator, data)
    except HpoError:
        raise
    except Exception as error:
        problem = worded(error, whole=False)
        raise TrialError(f"metric {scorer.metric!r} cannot be computed: {problem}") from error
