"""A space of named hyperparameters, some of which are active only with one option of a choice."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter, Searched, usual
from mlflow_hpo.space.distributions import Float
from mlflow_hpo.space.where import Where, broken
from mlflow_hpo.trial import Config

Vals = dict[str, list[Any]]  # Hyperopt's form: label -> [raw value], or [] if it is not active
Place = tuple[str, str, Parameter]  # label, name, and what is there


@dataclass(frozen=True)
class Space:
    """Holds hyperparameters by name.

    A *label* is a name behind the choices and option indices that it depends on: `momentum` of the second
    option of `optimizer` is `optimizer|1|momentum`. So two options may use the same name. Those given in
    nested mappings have a path: `opt.rate` is `rate` in `opt`.
    """

    parameters: Mapping[str, Parameter]
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    where: tuple[Where, ...] = ()  # no proposed config breaks these

    @cached_property
    def domain(self) -> Any:
        """The `domain` argument of Hyperopt's suggest functions; its `space` is this space."""
        from hyperopt.base import Domain

        domain = Domain(lambda config: 0.0, self.expression())
        domain.space = self
        return domain

    @cached_property
    def level(self) -> Any:
        """The `domain` of what is always active alone, by name: what lies below options is left out.

        So a choice between thousands costs what one between two does.
        """
        from hyperopt.base import Domain

        searched = {k: p for k, p in self.parameters.items() if not isinstance(p, Fixed)}
        alone = {k: p.alone if isinstance(p, Choice) else p for k, p in searched.items()}
        return Domain(lambda config: 0.0, {name: p.expression(name) for name, p in alone.items()})

    def expression(self, prefix: str = "") -> dict[str, Any]:
        """Returns the Hyperopt expression, without fixed values."""
        searched = {k: p for k, p in self.parameters.items() if not isinstance(p, Fixed)}
        return {name: p.expression(prefix + name) for name, p in searched.items()}

    def decode(self, vals: Mapping[str, list[Any]]) -> dict[str, Any]:
        """Returns the config for what Hyperopt drew: names to values, without inactive names."""
        return self.config({label: drawn[0] for label, drawn in vals.items() if drawn})

    def encode(self, config: Config) -> Vals | None:
        """Returns what Hyperopt would have drawn for a config; None if it is outside the space."""
        raws = self.raws(config)
        return None if raws is None else self.vals(raws)

    def config(self, raws: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the config with these raw values of the active labels."""

        def value(label: str, name: str, parameter: Parameter) -> Any:
            return parameter.value if isinstance(parameter, Fixed) else parameter.decode(raws[label])

        return self._config(value)

    def raws(self, config: Config) -> dict[str, Any] | None:
        """Returns the raw values of a config by active label; None if it is outside the space."""
        raws, fault = self._read(config)
        return None if fault else raws

    def fault(self, config: Config) -> str:
        """Returns in words why a config is outside the space; empty if it is inside."""
        rule = broken(self, config)
        return self._read(config)[1] or (f"it does not keep to where: {rule}" if rule else "")

    def _read(self, config: Config) -> tuple[dict[str, Any], str]:
        """Returns the raw values of a config by label, and the first fault."""
        raws: dict[str, Any] = {}
        for label, name, parameter in self._active(config):
            if name not in config:
                return {}, f"{name} is missing"
            if isinstance(parameter, Fixed):
                inside = config[name] == parameter.value
            else:
                raws[label] = parameter.encode(config[name])
                inside = raws[label] is not None
            if not inside:
                return {}, f"{name} {config[name]!r} is not in the space"
        strange = sorted(set(config) - {name for _, name, _ in self._active(config)})
        return raws, f"{strange[0]} is not in the space" if strange else ""

    def completed(self, given: Config, defaults: Config) -> dict[str, Any]:
        """Returns a config with the given values; the rest are defaults, or the middle of their range."""

        def value(label: str, name: str, parameter: Parameter) -> Any:
            chosen: Any = given[name] if name in given else usual(parameter, name, defaults)
            inside = isinstance(parameter, Float) and parameter.encode(chosen) is not None
            return float(chosen) if inside else chosen  # an algorithm would propose a float, too

        return self._config(value)

    def searched(self, config: Config) -> Iterator[tuple[str, Searched]]:
        """Yields the searched hyperparameters that are active in a config, by name."""
        for _, name, parameter in self._active(config):
            if name in config and not isinstance(parameter, Fixed):
                yield name, parameter

    @cached_property
    def leaves(self) -> Mapping[str, Searched]:
        """Returns every searched hyperparameter by label, those below options included."""
        return {label: p for label, _, p in self._everywhere() if not isinstance(p, Fixed)}

    def walk(self, pick: Callable[[str, Searched], Any]) -> dict[str, Any]:
        """Returns raw values by label, from `pick(label, parameter)`; a choice decides which come next."""
        raws: dict[str, Any] = {}
        for label, _, parameter in self._walk(lambda label, name, choice: [int(raws[label])]):
            if not isinstance(parameter, Fixed):
                raws[label] = pick(label, parameter)
        return raws

    def vals(self, raws: Mapping[str, Any]) -> Vals:
        """Returns the raw values of the active labels in Hyperopt's form."""
        return {label: [raws[label]] if label in raws else [] for label in self.leaves}

    def names(self) -> set[str]:
        """Returns every name that a config may hold."""
        return {name for _, name, _ in self._everywhere()}

    def fixed(self) -> set[str]:
        """Returns every name with a fixed value, those below options included."""
        return {name for _, name, p in self._everywhere() if isinstance(p, Fixed)}

    def _config(self, value: Callable[[str, str, Parameter], Any]) -> dict[str, Any]:
        """Returns the config with `value(label, name, parameter)` for all that its choices make active."""
        config: dict[str, Any] = {}
        for label, name, parameter in self._active(config):
            config[name] = value(label, name, parameter)
        return config

    def _active(self, config: Config) -> Iterator[Place]:
        """Yields what is active in a config, which may be filled meanwhile."""

        def taken(label: str, name: str, choice: Choice) -> list[int]:
            index = choice.encode(config[name]) if name in config else None
            return [] if index is None else [index]

        return self._walk(taken)

    def _everywhere(self) -> Iterator[Place]:
        return self._walk(lambda label, name, choice: range(len(choice.options)))

    def _walk(self, taken: Callable[[str, str, Choice], Iterable[int]], prefix: str = "") -> Iterator[Place]:
        """Yields hyperparameters in order; after a choice, those below the options that `taken` returns."""
        for name, parameter in self.parameters.items():
            yield prefix + name, name, parameter
            if isinstance(parameter, Choice):
                for index in taken(prefix + name, name, parameter):
                    if inner := parameter.options[index].space:
                        yield from inner._walk(taken, f"{prefix}{name}|{index}|")


def paths_of(space: Space) -> dict[str, tuple[str, ...]]:
    """Returns the paths of a space, with those of the spaces below its options."""
    found = dict(space.paths)
    for parameter in space.parameters.values():
        for option in parameter.options if isinstance(parameter, Choice) else ():
            found |= paths_of(option.space) if option.space else {}
    return found


def changed(space: Space, others: Space) -> Space:
    """Returns a space in which hyperparameters of another take the place of those of the same names.

    The constraints of both count.
    """
    where = tuple(dict.fromkeys((*space.where, *others.where)))
    return replace(_changed(space, others.parameters), where=where)


def _changed(space: Space, others: Mapping[str, Parameter]) -> Space:
    def option(before: Option) -> Option:
        return Option(before.value, _changed(before.space, others)) if before.space else before

    def parameter(name: str, before: Parameter) -> Parameter:
        if name in others:
            return others[name]
        if isinstance(before, Choice) and before.leads_on:
            return Choice(tuple(map(option, before.options)), before.odds)
        return before

    return Space({name: parameter(name, before) for name, before in space.parameters.items()}, space.paths)
