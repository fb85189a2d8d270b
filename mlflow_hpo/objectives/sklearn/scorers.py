"""The study's metric where it is a scorer: one of scikit-learn's by its name, or one that Python gave."""

import inspect
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import HpoError, SetupError, TrialError, worded
from mlflow_hpo.objectives.progress import as_numbers
from mlflow_hpo.objectives.scoring import Predictions, class_numbers, predict_with

VALIDATION = "val_"
ROWS = 4  # of each class, that tell whether a scorer takes so many classes


@dataclass(frozen=True)
class MetricScorer:
    """Scores a model by the study's metric, which its training does not report itself.

    Attributes:
        metric: its name; `val_...` is measured on the validation part, others on the training part.
        others: further metrics that trials are judged by.
        given: a scorer of scikit-learn's or any callable `(estimator, x, y)`; None: the one that is named.
    """

    metric: str = ""
    given: Any = None
    others: tuple[str, ...] = ()

    @property
    def each(self) -> "tuple[MetricScorer, ...]":
        """The scorers of the metrics, one for each."""
        return (replace(self, others=()), *(MetricScorer(name) for name in self.others))

    def adds(self, data: Data, reported: Collection[str]) -> bool:
        """Tells whether the metric is to be computed beside what training reports."""
        if not self.metric or not len(self._part(data)):
            return False
        return self.given is not None or (self.metric not in reported and is_scorer(self._name))

    def names(self, data: Data, reported: Collection[str]) -> tuple[str, ...]:
        """Returns the names that are added to what training reports.

        Raises:
            SetupError: the scorer is not for these data; those that are for them are named.
        """
        return tuple(name for one in self.each if one.adds(data, reported) for name in one._names(data))

    def _names(self, data: Data) -> set[str]:
        if is_several(data.train.y):
            several = f"metric {self.metric!r} is for one output, and there are {len(data.train.y)}"
            raise SetupError(f"{several}: give what training reports, as val_loss")
        if self.given is None and data.train.y.ndim == 1 and not _fits(self._name, data.classes):
            raise SetupError(self._misfit(data.classes))
        return {self.metric, VALIDATION + self._name}

    def score(self, model: Any, read: Callable[[Any], Predictions], data: Data) -> float:
        """Returns the metric of a model that is no estimator, by its predictions."""
        from mlflow_hpo.objectives.sklearn.predicted import PredictedClasses, PredictedValues

        if data.classes:
            names = self._class_names(data)
            return self._scored(PredictedClasses(model, read, names, None), data, names)
        return self._scored(PredictedValues(model, read), data)

    def score_estimator(self, estimator: Any, data: Data) -> float:
        """Returns the metric of an estimator."""
        from sklearn.base import is_regressor

        from mlflow_hpo.objectives.sklearn.predicted import PredictedClasses

        if not data.classes or is_regressor(estimator):
            return self._scored(estimator, data)

        def read(x: Any) -> Predictions:
            return predict_with(estimator, data, Part(x, np.empty(len(x))))

        names = self._class_names(data)
        numbers = class_numbers(np.asarray(getattr(estimator, "classes_", ())), data)
        return self._scored(PredictedClasses(estimator, read, names, numbers), data, names)

    @property
    def _name(self) -> str:
        return self.metric.removeprefix(VALIDATION)

    def _part(self, data: Data) -> Part:
        return data.validation if self.metric.startswith(VALIDATION) else data.train

    def _scored(self, estimator: Any, data: Data, names: Any = None) -> float:
        """Calls the scorer; one that scikit-learn negates since less is better gives the number itself.

        Raises:
            TrialError: it cannot be computed.
        """
        from sklearn.metrics import get_scorer

        part = self._part(data)
        scorer = get_scorer(self._name) if self.given is None else self.given
        sign = 1 if self.given is None else sign_of(self.given)
        try:
            score = scorer(estimator, part.x, part.y if names is None else names[part.y])
            [value] = as_numbers({self.metric: score}).values()
            return sign * value
        except HpoError:
            raise
        except Exception as error:  # whatever the scorer or the model raises
            problem = worded(error, whole=False).replace(type(estimator).__name__, _name_of_model(estimator))
            raise TrialError(f"metric {self.metric!r} cannot be computed: {problem}") from error

    def _class_names(self, data: Data) -> Any:
        """Returns what the scorer sees of each class: 1 for the positive of two, or the classes themselves.

        A scorer of scikit-learn's looks for the class 1, unless it was told another; those of values, and
        other code, take what the data hold.
        """
        if _takes_numbers(self.given) if self.given is not None else not _fits(self._name, 0):
            numbers = np.arange(data.classes)
            return numbers if data.positive else 1 - numbers
        return _plain(data.labels) if data.labels else np.arange(data.classes)

    def _misfit(self, classes: int) -> str:
        from sklearn.metrics import get_scorer_names

        fitting = [name for name in get_scorer_names() if _fits(name, classes)]
        alike = [name for name in fitting if name.startswith(self._name.split("_")[0] + "_")]
        what = f"{classes} classes" if classes else "values"
        prefix = self.metric.removesuffix(self._name)
        return f"metric {self.metric!r} is not for {what}: give {prefix}" + f", {prefix}".join(
            alike or fitting
        )


NO_SCORER = MetricScorer()  # where training reports the metric


def is_scorer(metric: str) -> bool:
    """Tells whether a metric is a scorer of scikit-learn's, on whichever rows."""
    from sklearn.metrics import get_scorer_names

    return metric.removeprefix(VALIDATION) in get_scorer_names()


def scorers_like(metric: str) -> list[str]:
    """Returns the metrics by scorers of scikit-learn's that a misspelt name may mean, the likeliest first."""
    from sklearn.metrics import get_scorer_names

    names = get_close_matches(metric.removeprefix(VALIDATION), get_scorer_names())
    return [VALIDATION + name for name in names]


def name_of(scorer: Any) -> str:
    """Returns what a scorer's metric is called: as the function that it was made of."""
    function = getattr(scorer, "_score_func", scorer)
    function = function.func if isinstance(function, partial) else function
    name = str(getattr(function, "__name__", type(function).__name__))
    return name if name.isidentifier() else "score"


def takes_estimator(scorer: Any) -> bool:
    """Tells whether a callable takes `(estimator, x, y)`, not `(y_true, y_pred)`, as far as can be told."""
    try:
        arguments = inspect.signature(scorer).bind(None, None, None).arguments
    except TypeError:
        return False
    except ValueError:  # its arguments are not known
        return True
    return not next(iter(arguments)).startswith(("y_", "labels_"))


def sign_of(scorer: Any) -> int:
    """Returns -1 for a scorer that scikit-learn negates, since less of its metric is better; else 1."""
    return int(getattr(scorer, "_sign", 1))


def _takes_numbers(scorer: Any) -> bool:
    function, options = getattr(scorer, "_score_func", None), getattr(scorer, "_kwargs", {})
    is_plain = not {"pos_label", "labels"} & set(options)
    return is_plain and str(getattr(function, "__module__", "")).startswith("sklearn.")


def _name_of_model(estimator: Any) -> str:
    """Returns the class of a model that may have been given the face of an estimator."""
    return type(getattr(estimator, "model", estimator)).__name__


def _plain(labels: Collection[str]) -> Any:
    """Returns names of classes as the data had them: booleans and whole numbers are no words."""
    if set(labels) <= {"False", "True"}:
        return np.array([label == "True" for label in labels])
    whole = [int(label) for label in labels if label.removeprefix("-").isdecimal()]
    return np.array(whole if [*map(str, whole)] == [*labels] else labels)


def _fits(name: str, classes: int) -> bool:
    """Tells whether a scorer of scikit-learn's takes so many classes; 0: values."""
    from sklearn.metrics import get_scorer

    from mlflow_hpo.objectives.sklearn.predicted import PredictedClasses, PredictedValues

    y = np.arange(max(classes, 2) * ROWS) % classes if classes else np.arange(1, 1 + 2 * ROWS) / 3
    right = np.eye(classes)[y] if classes else None
    model: Any = PredictedValues(None, lambda x: Predictions(y))
    if classes:
        model = PredictedClasses(None, lambda x: Predictions(y, right), np.arange(classes), None)
    try:
        with warnings.catch_warnings(action="ignore"):
            get_scorer(name)(model, y[:, None], y)
    except Exception:
        return False
    return True
