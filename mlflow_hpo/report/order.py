"""By what trials are ranked: the study's metric, any other, or two at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.fields import more_is_better
from mlflow_hpo.report.pareto import fronts

COSTS = ("_bytes", "_ms", "_mb", "seconds", "parameters")
WORDS = {"max": True, "min": False}


@dataclass(frozen=True)
class Aim:
    """A metric, and whether more of it is better."""

    metric: str
    maximize: bool

    @classmethod
    def of(cls, text: str) -> Self:
        """From a metric's name; `max:NAME` and `min:NAME` say the direction.

        Raises:
            ConfigError: the name does not tell the direction, or there is none.
        """
        word, colon, name = text.partition(":")
        if not text or (colon and not name):
            raise ConfigError(f"metric {text!r} has no name: give METRIC, max:METRIC or min:METRIC")
        if word in WORDS and name:
            return cls(name, WORDS[word])
        if text.endswith(COSTS):
            return cls(text, False)
        known = more_is_better(text)
        if known is None:
            raise ConfigError(f"metric {text!r} does not say its direction: give max:{text} or min:{text}")
        return cls(text, known)

    def loss(self, metrics: Mapping[str, float]) -> float | None:
        """What is minimised; None where the metric is missing."""
        value = metrics.get(self.metric)
        if value is None or value != value:
            return None
        return -value if self.maximize else value


def places(aims: Sequence[Aim], metrics: Sequence[Mapping[str, float]]) -> list[tuple[float, ...] | None]:
    """What trials are sorted by: the loss, or for two aims the front and then the first loss.

    None for a trial that lacks a metric.
    """
    losses = [tuple(aim.loss(m) for aim in aims) for m in metrics]
    complete = [i for i, found in enumerate(losses) if None not in found]
    known: dict[int, tuple[float, ...]] = {i: losses[i] for i in complete}  # type: ignore[misc]
    if len(aims) == 2:
        pairs = [(known[i][0], known[i][1]) for i in complete]
        known = {i: (front, *known[i]) for i, front in zip(complete, fronts(pairs), strict=True)}
    return [known.get(i) for i in range(len(losses))]
