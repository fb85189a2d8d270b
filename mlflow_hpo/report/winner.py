"""Chooses a study's best trial: of several metrics the one of the front that is preferred, or its middle."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Constraint, Metric, best, front, rank
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.trial import Trial

LARGE = 1e6
DIRECTIONS = {"min": False, "max": True}


@dataclass(frozen=True)
class Preference:
    """Which trial of a front is preferred.

    Attributes:
        bounds: what it must keep to.
        order: the metrics that decide between those that do, the first first; none: the middle of them.
    """

    bounds: tuple[Constraint, ...]
    order: tuple[Metric, ...]

    @staticmethod
    def parse(text: str, names: Sequence[str]) -> "Preference":
        """Reads `val_accuracy>=0.97,min:inference_ms`.

        Args:
            names: of the study's metrics; none: not known yet.

        Raises:
            ConfigError: a part is neither, or names another metric.
        """
        bounds, order = list[Constraint](), list[Metric]()
        for part in (part.strip() for part in text.split(",")):
            word, _, name = part.partition(":")
            if word in DIRECTIONS and name:
                order.append(Metric(name.strip(), DIRECTIONS[word]))
            else:
                bounds.append(_bound(part))
        named = [*(constraint.metric.name for constraint in bounds), *(metric.name for metric in order)]
        if strange := next((name for name in named if names and name not in names), None):
            raise ConfigError(f"prefer: {strange!r} is none of the study's metrics: {', '.join(names)}")
        return Preference(tuple(bounds), tuple(order))

    def among(self, front: Sequence[Trial], metrics: Sequence[Metric]) -> Trial:
        """Returns the preferred trial of a front; where none keeps to the bounds, that which misses least."""
        values = {t.number: values_of(t, metrics) for t in front}
        missed = {
            t.number: sum(b.violation(values[t.number].get(b.metric.name)) for b in self.bounds)
            for t in front
        }
        within = [t for t in front if missed[t.number] == min(missed.values())]
        if not self.order:
            return knee(within)
        return min(within, key=lambda t: [m.loss_in(values[t.number]) or 0.0 for m in self.order])


def _bound(part: str) -> Constraint:
    try:
        return Constraint.parse(part)
    except ConfigError:
        raise ConfigError(
            f"prefer: {part!r} is neither a bound, as val_accuracy>=0.97, nor min:METRIC or max:METRIC"
        ) from None


def values_of(trial: Trial, metrics: Sequence[Metric]) -> dict[str, float]:
    """Returns a trial's value of each metric that it has one of."""
    losses = {m: trial.results.get(m.name, {}).get(trial.epochs) for m in metrics}
    return {m.name: m.value(loss) for m, loss in losses.items() if loss is not None}


def values_text(info: StudyInfo, trial: Trial) -> str:
    """Returns a trial's value of each metric in words."""
    values = values_of(trial, info.metrics)
    return ", ".join(f"{name} {value_text(value)}" for name, value in values.items())


def value_text(value: float) -> str:
    """Returns a metric's value as text: to four places, or whole from a million on."""
    return f"{value:.4f}" if abs(value) < LARGE else f"{value:,.0f}"


def knee(front: Sequence[Trial]) -> Trial:
    """Returns the trial of a front that is nearest to the best of each metric, each scaled to the front."""
    rows = [[losses[t.epochs] for losses in t.results.values()] for t in front]
    lows, highs = ([pick(column) for column in zip(*rows, strict=True)] for pick in (min, max))

    def distance(place: int) -> float:
        parts = zip(rows[place], lows, highs, strict=True)
        return sum(((loss - low) / (high - low)) ** 2 if high > low else 0.0 for loss, low, high in parts)

    return front[min(range(len(front)), key=lambda place: (distance(place), front[place].number))]


def ordered(info: StudyInfo, trials: Sequence[Trial]) -> list[Trial]:
    """Orders the trials that have results: the best, of several metrics the rest of the front, the others."""
    ranked = rank(trials)
    if len(info.metrics) == 1 or not (able := front(trials)):
        return ranked
    first = [_preferred(info, able), *able]
    return list({t.number: t for t in [*first, *ranked]}.values())


def winner(info: StudyInfo, trials: Sequence[Trial]) -> Trial | None:
    """Returns the best trial, which is registered; None if no trial has a result.

    Where none keeps to the constraints it is the one that breaks them least.
    """
    if len(info.metrics) == 1 or not (able := front(trials)):
        return best(trials)
    return _preferred(info, able)


def _preferred(info: StudyInfo, able: Sequence[Trial]) -> Trial:
    if not info.settings.prefer:
        return knee(able)
    return Preference.parse(info.settings.prefer, ()).among(able, info.metrics)
