"""Trains scikit-learn's estimators and Pipelines, and whatever has their face (XGBoost's, LightGBM's)."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_hpo.data import CLASSIFICATION, REGRESSION, Data
from mlflow_hpo.data.preprocess import ModelInputs, flattened, model_inputs, needs_preprocessing
from mlflow_hpo.errors import ConfigError, SetupError, TrialError, worded
from mlflow_hpo.hardware import versions
from mlflow_hpo.models import ModelInfo, keyword_defaults
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.scoring import predict_with, scores
from mlflow_hpo.objectives.sklearn.estimators import (
    head,
    home,
    is_estimator,
    share,
    taken,
    targets,
)
from mlflow_hpo.trial import Config

FILE = "estimator.joblib"
AUTO, NONE, PARTIAL_FIT, SAMPLES = "auto", "none", "partial_fit", "samples"
FEW = 100  # rows of a rehearsal
BATCH = 200  # rows that `partial_fit` sees at a time, where the config says no batch_size
RANDOM_STATE = "random_state"


@dataclass(frozen=True)
class SklearnObjective:
    """Trains what `make(**config)` gives, or a copy of an estimator with the config as its params.

    Attributes:
        target: an estimator, a class of them, or a function that returns one.
        resource: what an epoch is: `partial_fit` (a pass over the rows), `samples` (a share of the rows), the
            name of a param (epoch e: its value is e), `none`: it is fitted once, or `auto`.
        preprocess: see `model_inputs`; a Pipeline brings its own.
        metric: what the study optimises, where it is named: a scorer of scikit-learn's may be asked for.
    """

    target: Any
    resource: str = NONE
    preprocess: str = "auto"
    metric: str = ""
    packages: tuple[str, ...] = ("scikit-learn", "numpy")

    def warm_up(self) -> None:
        """Import scikit-learn."""
        import sklearn.base  # noqa: F401

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        every, own = self._estimator({}).get_params(), self._own
        self._check_resource(name, every)
        takes = {*every, *own, *(("batch_size",) if self._resource == PARTIAL_FIT else ())}
        return ModelInfo(
            name=name,
            defaults={**every, **own},
            takes=frozenset(takes - {self._resource}),
            metric={CLASSIFICATION: "val_accuracy", REGRESSION: "val_r2"},
            has_epochs=self._resource != NONE,
            has_resources=True,
        )

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """See `Objective.dry_run`: it is fitted on a few rows, and where that fails on all of them.

        Some estimators need more rows than a few: that alone does not speak against them.
        """
        if trial.data is None:
            raise SetupError("an estimator is trained on data: name a data set")
        rows = self._rows(trial.data)
        assert rows.data is not None
        try:
            self._try(trial, rows.data, FEW / len(rows.data.train), epochs=1)
        except Exception:
            self._try_all(trial, rows.data)
        own = ("accuracy", "loss") if rows.data.classes else ("r2", "rmse", "mae")
        both = (f"{part}{name}" for part in ("", "val_") for name in own)
        return (*both, *(f"val_{name}" for name in self._scorer))

    def _try_all(self, trial: Handle, data: Data) -> None:
        try:
            self._try(trial, data, 1, trial.max_epochs)
        except Exception as error:
            reason = needs_preprocessing(data)
            hint = f" ({reason}, and a Pipeline gets the columns as they are)" if reason else ""
            raise SetupError(
                f"the model cannot be fitted to data {data.name!r}: {worded(error, lines=1)}{hint}"
            ) from error

    def _try(self, trial: Handle, data: Data, part: float, epochs: int) -> None:
        """Fit with a part of the rows, predict, and score by what the metric names."""
        estimator, train = self._made(trial), data.train
        rows = share(train.y if data.classes else None, np.arange(len(train)), min(part, 1))
        if self._resource not in (NONE, PARTIAL_FIT, SAMPLES):
            estimator.set_params(**{self._resource: epochs})
        estimator.fit(taken(train.x, rows), targets(estimator, data, train)[rows])
        estimator.predict(taken(train.x, rows))
        for name in self._scorer:
            self._score(name, estimator, data)

    def train(self, trial: Handle) -> None:
        """See `Objective.train`."""
        assert trial.data is not None
        rows = self._rows(trial.data)
        assert rows.data is not None
        estimator = (
            self._restored(trial) if trial.start and self._resource == PARTIAL_FIT else self._made(trial)
        )
        for epoch in self._epochs(trial):
            self._advance(estimator, rows.data, trial, epoch)
            if not trial.report(epoch, self._scores(estimator, rows.data)):
                break
        self._keep(trial, estimator)
        self._log(trial, estimator, rows)
        trial.log_cost(estimator.predict, rows.data.train.x)

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """See `Objective.evaluate`."""
        data = flattened(data)
        return scores(predict_with(load("sklearn"), data, data.test), data, data.test)

    @property
    def _resource(self) -> str:
        """What an epoch is; `auto`: a pass over the rows, where it can be."""
        if self.resource != AUTO:
            return self.resource
        return PARTIAL_FIT if hasattr(self._estimator({}), PARTIAL_FIT) else NONE

    def _epochs(self, trial: Handle) -> list[int]:
        """Where it is scored: each pass of `partial_fit`, otherwise only where it must be."""
        if self._resource == PARTIAL_FIT:
            return list(range(trial.start + 1, trial.epochs + 1))
        return trial.stops

    def _advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> None:
        order = np.random.default_rng([trial.seed, epoch]).permutation(len(data.train))
        y = targets(estimator, data, data.train)
        if self._resource == PARTIAL_FIT:
            size = int(trial.config.get("batch_size", BATCH))
            classes = {"classes": np.unique(y)} if data.classes else {}
            for rows in np.split(order, range(size, len(order), size)):
                estimator.partial_fit(taken(data.train.x, rows), y[rows], **classes)
            return
        if self._resource == SAMPLES:
            rows = share(data.train.y if data.classes else None, order, epoch / trial.max_epochs)
            estimator.fit(taken(data.train.x, rows), y[rows])
            return
        if self._resource != NONE:
            estimator.set_params(**{self._resource: epoch})
        estimator.fit(data.train.x, y)

    def _scores(self, estimator: Any, data: Data) -> dict[str, float]:
        found = scores(predict_with(estimator, data, data.train), data, data.train)
        if len(held := data.validation):
            held_out = scores(predict_with(estimator, data, held), data, held)
            found |= {f"val_{name}": value for name, value in held_out.items()}
            found |= {f"val_{name}": self._score(name, estimator, data) for name in self._scorer}
        return found

    @property
    def _scorer(self) -> tuple[str, ...]:
        """The scorer of scikit-learn's that the metric names, beside those that are always reported."""
        from sklearn.metrics import get_scorer_names

        name = self.metric.removeprefix("val_")
        return (name,) if name in get_scorer_names() and name not in ("accuracy", "r2") else ()

    def _score(self, name: str, estimator: Any, data: Data) -> float:
        from sklearn.metrics import get_scorer

        part = data.validation
        return float(get_scorer(name)(estimator, part.x, targets(estimator, data, part)))

    def _rows(self, data: Data) -> ModelInputs:
        if data.is_table and hasattr(self._estimator({}), "steps"):  # a Pipeline brings its own preprocessing
            return ModelInputs(data, data)
        return model_inputs(flattened(data), self.preprocess)

    def _made(self, trial: Handle) -> Any:
        estimator = self._estimator(trial.config)
        seeds = {
            k: trial.seed for k, v in estimator.get_params().items() if k.endswith(RANDOM_STATE) and v is None
        }
        return estimator.set_params(**seeds)

    def _estimator(self, config: Config) -> Any:
        """A fresh estimator with the config's params.

        Raises:
            TrialError: it does not take them.
        """
        from sklearn.base import clone

        made: Any
        if inspect.isclass(self.target):
            made = self.target()
        else:
            made = (
                clone(self.target) if is_estimator(self.target) else self.target(**self._for_function(config))
            )
        params = {k: v for k, v in config.items() if k not in self._own and k != "batch_size"}
        try:
            return made.set_params(**params)
        except ValueError as error:
            raise TrialError(f"{type(made).__name__}: {error}") from None

    @property
    def _own(self) -> dict[str, Any]:
        """The arguments of the user's function, which come before the params of what it returns."""
        is_function = not inspect.isclass(self.target) and not is_estimator(self.target)
        return keyword_defaults(self.target) if is_function else {}

    def _for_function(self, config: Config) -> Mapping[str, Any]:
        return {k: v for k, v in config.items() if k in self._own}

    def _check_resource(self, name: str, params: Mapping[str, Any]) -> None:
        if self._resource == PARTIAL_FIT and not hasattr(self._estimator({}), PARTIAL_FIT):
            raise ConfigError(
                f"resource: model {name!r} has no partial_fit: give samples, or one of its params"
            )
        if self._resource not in (NONE, PARTIAL_FIT, SAMPLES) and self._resource not in params:
            whole = sorted(k for k, v in params.items() if isinstance(v, int) and not isinstance(v, bool))
            known = ", ".join([PARTIAL_FIT, SAMPLES, *whole])
            raise ConfigError(f"resource: model {name!r} has no param {self._resource!r}: known are {known}")

    def _restored(self, trial: Handle) -> Any:
        import joblib

        file = trial.checkpoint / FILE
        if not file.exists():
            raise TrialError(f"the checkpoint of epoch {trial.start} holds no {FILE}")
        estimator = joblib.load(file)
        own = {k: v for k, v in trial.config.items() if k in estimator.get_params()}
        return estimator.set_params(**own)

    def _keep(self, trial: Handle, estimator: Any) -> None:
        """Only `partial_fit` goes on from where it was: what is fitted anew needs but a mark."""
        import joblib

        if self._resource == PARTIAL_FIT:
            joblib.dump(estimator, trial.context.folder / FILE)
        else:
            (trial.context.folder / "epochs.txt").write_text(str(trial.reached))

    def _log(self, trial: Handle, estimator: Any, rows: ModelInputs) -> None:
        from sklearn.pipeline import Pipeline

        assert rows.raw is not None
        model = estimator
        if rows.transformer is not None:
            model = Pipeline([("preprocess", rows.transformer), ("model", estimator)])
        example = head(rows.raw.train.x)
        trial.log_model(
            "sklearn",
            model,
            inputs=example,
            outputs=model.predict(example),
            pip_requirements=[
                f"{k}=={v}" for k, v in versions("mlflow", *self.packages, *home(estimator)).items()
            ],
            serialization_format="cloudpickle",
        )
