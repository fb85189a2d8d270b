"""What the driver sends to a worker.

The module imports nothing heavy: a worker that unpickles a message has not set its threads yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_hpo.metric import Metric
    from mlflow_hpo.objectives.spec import ObjectiveSpec
    from mlflow_hpo.trial import Unit


@dataclass(frozen=True)
class Task:
    """What a worker must know of the study; the same for all its units.

    Attributes:
        target: a loss that ends a unit at once, or None.
        trial_timeout: seconds for a whole trial, or None.
        claim: the number of the claim by which the driver holds the study; 0: it holds none.
    """

    spec: ObjectiveSpec
    metrics: tuple[Metric, ...]
    target: float | None
    max_epochs: int
    tracking_uri: str
    experiment_id: str
    study_id: str = ""
    trial_timeout: float | None = None
    claim: int = 0

    @property
    def metric(self) -> Metric:
        """The metric that trials are compared by."""
        return self.metrics[0]


@dataclass(frozen=True)
class Assignment:
    """One unit, and the trial it belongs to.

    Attributes:
        source_run_id: the run whose checkpoint the unit starts from; None if it starts from nothing.
        best: the best epoch of the trial's earlier units, and its loss; None if there is none.
        seconds: what earlier units of the trial took.
        again: an attempt at this unit was cut before.
        final: it trains on the validation rows as well, to be registered.
    """

    task: Task
    unit: Unit
    run_id: str
    config: Mapping[str, Any]
    seed: int
    source_run_id: str | None = None
    best: tuple[int, float] | None = None
    seconds: float = 0.0
    again: bool = False
    final: bool = False
