"""Where the reports of a unit go."""

from collections.abc import Mapping
from typing import Any, Protocol

from typing_extensions import override

from mlflow_hpo.space import Asked


class Reporter(Protocol):
    """Receives the reports of a unit, and decides whether it trains on."""

    def on_report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Records the metrics of an epoch."""

    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        """Logs a model that was trained for `epochs` epochs, and returns its URI (see `Recorder.model`)."""

    def logged_models(self) -> dict[str, int]:
        """Returns the URIs of the models that were logged so far, by `on_model` or not, the newest last."""

    def on_cost(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Records what the model costs to use."""

    def on_ask(self, asked: Asked) -> None:
        """Records the hyperparameters that the objective has asked for so far."""

    def on_attribute(self, key: str, value: str) -> None:
        """Records what the objective wants to be kept with its trial."""

    def goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Returns False where the unit must end after this epoch."""


class SilentReporter(Reporter):
    """Records nothing and lets every unit go on: for a config that is only tried."""

    @override
    def on_report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        pass

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        return ""

    @override
    def logged_models(self) -> dict[str, int]:
        return {}

    @override
    def on_cost(self, epoch: int, metrics: Mapping[str, float]) -> None:
        pass

    @override
    def on_ask(self, asked: Asked) -> None:
        pass

    @override
    def on_attribute(self, key: str, value: str) -> None:
        pass

    @override
    def goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        return True
