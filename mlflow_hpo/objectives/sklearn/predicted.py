"""Gives any model's predictions the face of a scikit-learn estimator, for scorers."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from mlflow_hpo.objectives.scoring import Predictions

Read = Callable[[Any], Predictions]  # rows -> their predictions
OWN = ("model", "read", "predict_proba", "predict_log_proba", "decision_function")


class Predicted(BaseEstimator):  # type: ignore[misc]
    """A model whose predictions are read by a function; other attributes are those of the model.

    Attributes:
        model: the trained model.
        read: predicts rows.
    """

    def __init__(self, model: Any, read: Read) -> None:
        self.model, self.read = model, read

    def __getattr__(self, name: str) -> Any:
        """Returns an attribute of the model, unless it would have the classes in another order."""
        if name in OWN:
            raise AttributeError(f"the model has no {name!r}")
        return getattr(self.model, name)


class PredictedValues(RegressorMixin, Predicted):  # type: ignore[misc]
    """Predicts values."""

    def predict(self, x: Any) -> Any:
        """Returns a value for each row."""
        return self.read(x).answers


class PredictedClasses(ClassifierMixin, Predicted):  # type: ignore[misc]
    """Predicts classes, by the names that a scorer compares.

    Attributes:
        names: of the classes, by their numbers in the data.
        numbers: of the classes of an estimator, in the order of its columns; None for other models.
        classes_: the names, sorted as scikit-learn has them.
    """

    def __init__(self, model: Any, read: Read, names: Any, numbers: Any) -> None:
        super().__init__(model, read)
        self.names, self.numbers = names, numbers
        self.classes_ = np.sort(names)

    def predict(self, x: Any) -> Any:
        """Returns the name of each row's class."""
        return self.names[self.read(x).answers]

    def _has_probabilities(self) -> bool:
        return self.numbers is None or hasattr(self.model, "predict_proba")

    def _has_decisions(self) -> bool:
        every_class = self.numbers is not None and len(self.numbers) == len(self.names)
        return every_class and hasattr(self.model, "decision_function")

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, x: Any) -> Any:
        """Returns an array of shape (rows, classes), in the order of `classes_`."""
        probabilities = self.read(x).probabilities
        assert probabilities is not None
        return probabilities[:, np.argsort(self.names)]

    @available_if(_has_decisions)  # type: ignore[untyped-decorator]
    def decision_function(self, x: Any) -> Any:
        """Returns a number for each row, larger for the second of `classes_`; of several, one for each."""
        decisions, order = self.model.decision_function(x), np.argsort(self.names[self.numbers])
        if decisions.ndim == 1:
            return decisions if order[0] == 0 else -decisions
        return decisions[:, order]
