"""The searched hyperparameters, each with its value in every trial and where that lies in its range."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mlflow_hpo.report import summary
from mlflow_hpo.report.snapshot import StudySnapshot
from mlflow_hpo.space import Choice, Fixed, Searched, Space
from mlflow_hpo.trial import Config


@dataclass(frozen=True)
class Column:
    """One hyperparameter.

    Attributes:
        title: its name, with the option that it hangs on.
        values: by the trial's number, where it is active; those outside the space too, but not those that
            have no place on its scale, as None (a default of scikit-learn's), or 0 on a log scale.
        parts: where the value lies in its range, from 0 to 1; only of values in the space.
    """

    label: str
    name: str
    title: str
    parameter: Searched
    values: Mapping[int, Any]
    parts: Mapping[int, float]

    @property
    def log(self) -> bool:
        """Whether it is searched on a log scale."""
        return not isinstance(self.parameter, Choice) and self.parameter.log

    @property
    def is_choice(self) -> bool:
        """Whether it is one of several options."""
        return isinstance(self.parameter, Choice)

    @property
    def options(self) -> list[str]:
        """The options of a choice, as they are shown; none for a number."""
        if not isinstance(self.parameter, Choice):
            return []
        return [summary.shown(option.value) for option in self.parameter.options]

    def ends(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """The lowest and the highest value, as they are shown, and where they lie."""
        low, high = (self.parameter.from_unit(part) for part in (0.0, 1.0))
        return (self._text(low), self.parameter.unit(low)), (self._text(high), self.parameter.unit(high))

    def _text(self, raw: float) -> str:
        return self.shown(self.at(self.parameter.unit(raw)))

    def grid(self, most: int) -> list[Any]:
        """All values of a number with steps, where there are so few; else none."""
        whole = None if isinstance(self.parameter, Choice) else self.parameter.whole
        if whole is None or whole[1] - whole[0] >= most:
            return []
        return [self.parameter.decode(raw) for raw in range(whole[0], whole[1] + 1)]

    def at(self, part: float) -> Any:
        """The value at a place in the range; of a choice, as it is shown."""
        raw = self.parameter.from_unit(part)
        if isinstance(self.parameter, Choice):
            return self.options[int(raw)]
        return self.parameter.decode(raw)

    def shown(self, value: object) -> str:
        """A value for people."""
        return summary.shown(value)


@lru_cache(maxsize=1)
def columns(snapshot: StudySnapshot) -> tuple[Column, ...]:
    """Every searched hyperparameter, by label, in the order of the space."""
    values: dict[str, dict[int, Any]] = {label: {} for label in snapshot.space.leaves}
    for seen in snapshot.seen:
        for label, value in _active(snapshot.space, seen.trial.config, ""):
            if _has_place(snapshot.space.leaves[label], value):
                values[label][seen.number] = value
    return tuple(_column(snapshot.space, label, values[label]) for label in snapshot.space.leaves)


def _has_place(parameter: Searched, value: Any) -> bool:
    if isinstance(parameter, Choice):
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and (value > 0 or not parameter.log)


def _column(space: Space, label: str, values: Mapping[int, Any]) -> Column:
    parameter = space.leaves[label]
    raws = {number: parameter.encode(value) for number, value in values.items()}
    parts = {number: parameter.unit(raw) for number, raw in raws.items() if raw is not None}
    return Column(label, label.split("|")[-1], title(space, label), parameter, values, parts)


def title(space: Space, label: str) -> str:
    """A label for people: `momentum (optimizer sgd)`."""
    *above, name = label.split("|")
    if not above:
        return name
    choice = space.leaves["|".join(above[:-1])]
    option = choice.options[int(above[-1])].value if isinstance(choice, Choice) else ""
    return f"{name} ({above[-2]} {summary.shown(option)})"


def _active(space: Space, config: Config, prefix: str) -> Iterator[tuple[str, Any]]:
    """(label, value) of a config; unlike `Space.encode`, of one that is outside the space as well."""
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Fixed) or name not in config:
            continue
        yield prefix + name, config[name]
        if isinstance(parameter, Choice) and (index := parameter.encode(config[name])) is not None:
            inner = parameter.options[index].space
            yield from _active(inner, config, f"{prefix}{name}|{index}|") if inner else ()
