"""Lists the searched hyperparameters, with their value in every trial and its place in the range."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from mlflow_hpo.report import summary
from mlflow_hpo.report.snapshot import StudySnapshot
from mlflow_hpo.space import Choice, Fixed, Searched, Space
from mlflow_hpo.trial import Config

MOST_OPTIONS = 30  # of a choice that are all shown


@dataclass(frozen=True)
class Column:
    """One hyperparameter.

    Attributes:
        title: its name, with the option that it belongs to.
        values: trial -> value, if it is active there; values outside the space too, but not those without a
            place on its scale, such as None (a default of scikit-learn's), or 0 on a log scale.
        parts: trial -> place of the value in its range, from 0 to 1; only of values in the space.
    """

    label: str
    name: str
    title: str
    parameter: Searched
    values: Mapping[int, Any]
    parts: Mapping[int, float]

    @property
    def log(self) -> bool:
        """Tells whether it is searched on a log scale."""
        return not isinstance(self.parameter, Choice) and self.parameter.log

    @property
    def is_choice(self) -> bool:
        """Tells whether it is one of several options."""
        return isinstance(self.parameter, Choice)

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """The places of a choice's options: of many, only of those that a trial took; none for a number."""
        if not isinstance(self.parameter, Choice):
            return ()
        count = len(self.parameter.options)
        taken = {self.parameter.from_unit(part) for part in self.parts.values()}
        return tuple(range(count)) if count <= MOST_OPTIONS else tuple(sorted(taken))

    @property
    def options(self) -> list[str]:
        """Returns the options of a choice that are shown, as text; none for a number."""
        return [self.at(part) for part in self.option_parts]

    @property
    def option_parts(self) -> list[float]:
        """Returns the places of these options, from 0 to 1."""
        return [self.parameter.unit(index) for index in self.shown]

    def ends(self) -> tuple[tuple[str, float], tuple[str, float]]:
        """Returns the lowest and the highest value, as text, each with its place."""
        low, high = (self.parameter.from_unit(part) for part in (0.0, 1.0))
        places = self.parameter.unit(low), self.parameter.unit(high)
        return (summary.text(self.at(places[0])), places[0]), (summary.text(self.at(places[1])), places[1])

    def grid(self, most: int) -> list[Any]:
        """Returns all values of a number with steps, if they are few; else none."""
        whole = None if isinstance(self.parameter, Choice) else self.parameter.whole
        if whole is None or whole[1] - whole[0] >= most:
            return []
        return [self.parameter.decode(raw) for raw in range(whole[0], whole[1] + 1)]

    def at(self, part: float) -> Any:
        """Returns the value at a place in the range; of a choice, as text."""
        raw = self.parameter.from_unit(part)
        if isinstance(self.parameter, Choice):
            return summary.text(self.parameter.options[int(raw)].value)
        return self.parameter.decode(raw)

    def place(self, number: int) -> Any:
        """Returns a trial's value as a plot takes it: of a choice, as text."""
        return summary.text(self.values[number]) if self.is_choice else self.values[number]


@lru_cache(maxsize=1)
def columns(snapshot: StudySnapshot) -> tuple[Column, ...]:
    """Returns every searched hyperparameter that was active in a trial, in the order of the space."""
    values: dict[str, dict[int, Any]] = {label: {} for label in snapshot.space.leaves}
    for trial in snapshot.trials:
        for label, value in _active(snapshot.space, trial.config, ""):
            if _has_place(snapshot.space.leaves[label], value):
                values[label][trial.number] = value
    return tuple(_column(snapshot.space, label, known) for label, known in values.items() if known)


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
    """Returns a label for people: `momentum (optimizer sgd)`."""
    *above, name = label.split("|")
    if not above:
        return name
    choice = space.leaves["|".join(above[:-1])]
    option = choice.options[int(above[-1])].value if isinstance(choice, Choice) else ""
    return f"{name} ({above[-2]} {summary.text(option)})"


def _active(space: Space, config: Config, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yields (label, value) of a config; unlike `Space.encode`, also if it is outside the space."""
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Fixed) or name not in config:
            continue
        yield prefix + name, config[name]
        if isinstance(parameter, Choice) and (index := parameter.encode(config[name])) is not None:
            inner = parameter.options[index].space
            yield from _active(inner, config, f"{prefix}{name}|{index}|") if inner else ()
