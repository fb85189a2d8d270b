"""The results of a unit so far."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow_hpo.errors import NotFiniteError, SetupError, TrialError
from mlflow_hpo.metric import Metric, number


@dataclass
class Progress:
    """Collects what a unit has brought.

    Attributes:
        reported: epoch -> metrics.
        counted: epoch -> the value that counts there: the one of this epoch, or the best until there.
        best: the best epoch so far, and its loss; None where the last value counts.
        sources: epoch -> the epoch whose value counts there, of what was reported.
        steps: step -> value, where values are reported in Optuna's form.
        trains_epochs: whether the objective asked how many epochs to train.
        is_whole: whether it trained no epochs, but returned its value at once.
        model_uri: the newest logged model; empty if there is none.
        stop_epoch: the epoch after which `report` first returned False before the unit's last; None if never.
        epoch_limit: the number of epochs that the config itself asks for, if it does.
        ended_itself: whether the training is over, so that more epochs would not be used.
        stopped: whether the training was cut for good because it fell behind.
        reason: why it ended or was stopped, for people.
        child_cpu_seconds, child_peak_bytes: what processes that the objective started used.
    """

    reported: dict[int, Mapping[str, float]] = field(default_factory=dict)
    counted: dict[int, float] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    sources: dict[int, int] = field(default_factory=dict)
    steps: dict[Any, float] = field(default_factory=dict)
    trains_epochs: bool = False
    is_whole: bool = False
    model_uri: str = ""
    stop_epoch: int | None = None
    epoch_limit: int | None = None
    ended_itself: bool = False
    stopped: bool = False
    reason: str = ""
    child_cpu_seconds: float = 0.0
    child_peak_bytes: int = 0

    def end(self, reason: str) -> None:
        """Notes that the training has ended by itself."""
        self.ended_itself, self.reason = True, reason

    def stop(self, reason: str) -> None:
        """Notes that the training was stopped for good."""
        self.stopped, self.reason = True, reason

    def value(self, metric: str, epoch: int) -> float:
        """Returns the metric's value that counts at an epoch.

        Raises:
            TrialError: it was not reported there.
        """
        if epoch in self.counted:
            return self.counted[epoch]
        values = self.reported.get(epoch, {})
        if metric not in values:
            names = ", ".join(sorted(values)) or "nothing"
            raise TrialError(f"training reported no {metric!r} at epoch {epoch}: it reported {names}")
        return values[metric]

    def beside(self, metric: str, epochs: Iterable[int]) -> dict[int, float] | None:
        """Returns another metric's value where the first one's counts, as far as it was reported there.

        Returns:
            Epochs -> value; None if it was never reported.
        """
        if not any(metric in values for values in self.reported.values()):
            return None
        sources = {epoch: self.reported.get(self.sources.get(epoch, epoch), {}) for epoch in epochs}
        return {epoch: values[metric] for epoch, values in sources.items() if metric in values}

    def count(self, epoch: int, metric: Metric, value: float, at_best: bool) -> None:
        """Notes the metric's value at an epoch: it counts there, or the best one until there does."""
        loss = metric.loss(value)
        if at_best and (self.best is None or loss < self.best[1]):
            self.best = (epoch, loss)
        self.sources[epoch] = self.best[0] if self.best else epoch
        self.counted[epoch] = metric.value(self.best[1]) if self.best else value


def check_metrics(metric: str, epoch: int, values: Mapping[str, float]) -> None:
    """Checks the metrics that were reported at an epoch.

    Raises:
        SetupError: `metric` is missing.
        NotFiniteError: a value is NaN or infinite.
    """
    if metric and metric not in values:
        names = ", ".join(sorted(values)) or "nothing"
        raise SetupError(f"training reported no metric {metric!r}: it reported {names}; name one as metric")
    for name, value in values.items():
        if not math.isfinite(value):
            raise NotFiniteError(f"{name} became {value} at epoch {epoch}")


def as_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Returns metrics of any library's numbers as Python's.

    Raises:
        SetupError: they are no mapping, or one is no number.
    """
    if not isinstance(metrics, Mapping):
        raise SetupError(f"trial.report: takes a dict of metrics, not a {type(metrics).__name__}")
    values = {name: number(value, flags=True) for name, value in metrics.items()}
    for name, value in values.items():
        if value is None:
            given = metrics[name]
            raise SetupError(f"metric {name!r} is {given!r:.100} of type {type(given).__name__}, no number")
    return {str(name): value for name, value in values.items() if value is not None}


def whole_epoch(epoch: Any) -> int:
    """Returns the epoch as a Python int, which a store can keep.

    Raises:
        SetupError: it is not a whole number from 1 on.
    """
    try:
        number = int(epoch)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number < 1 or isinstance(epoch, str) or number != epoch:
        raise SetupError(f"trial.report: epochs are whole numbers, counted from 1, not {epoch!r}")
    return number
