"""A space of named hyperparameters, some of which exist only on a branch of a choice."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlflow_hpo.space.choices import Choice, Fixed, Parameter, Searched, usual
from mlflow_hpo.space.distributions import Float
from mlflow_hpo.trial import Config

Vals = dict[str, list[Any]]  # Hyperopt's form: label -> [raw value], or [] where it is not active


@dataclass(frozen=True)
class Space:
    """Hyperparameters by name.

    A label is the name, led by the choices and option indices above it: `momentum` of the second
    option of `optimizer` is `optimizer|1|momentum`. So two branches may use one name.
    """

    parameters: Mapping[str, Parameter]

    @cached_property
    def domain(self) -> Any:
        """What Hyperopt's suggest functions take as `domain`."""
        from hyperopt.base import Domain

        domain = Domain(lambda config: 0.0, self.expression())
        domain.space = self  # for suggest functions that are not Hyperopt's
        return domain

    def expression(self, prefix: str = "") -> dict[str, Any]:
        """The Hyperopt expression; fixed values take no part in it."""
        searched = {k: p for k, p in self.parameters.items() if not isinstance(p, Fixed)}
        return {name: p.expression(prefix + name) for name, p in searched.items()}

    def decode(self, vals: Mapping[str, list[Any]], prefix: str = "") -> dict[str, Any]:
        """The config for what Hyperopt drew: names to values, inactive names left out."""
        config: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Fixed):
                config[name] = parameter.value
            elif isinstance(parameter, Choice):
                index = int(vals[prefix + name][0])
                config[name] = parameter.decode(index)
                if inner := parameter.options[index].space:
                    config |= inner.decode(vals, f"{prefix}{name}|{index}|")
            else:
                config[name] = parameter.decode(vals[prefix + name][0])
        return config

    def encode(self, config: Config) -> Vals | None:
        """What Hyperopt would have drawn for a config; None where the config is not in the space."""
        active = self._encode(config, "")
        if active is None or set(config) - set(self.active(config)):
            return None
        return self.full(active)

    def _encode(self, config: Config, prefix: str) -> dict[str, Any] | None:
        raws: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Fixed):
                if config.get(name, parameter) != parameter.value:
                    return None
                continue
            raw = parameter.encode(config[name]) if name in config else None
            if raw is None:
                return None
            raws[prefix + name] = raw
            if isinstance(parameter, Choice) and (inner := parameter.options[int(raw)].space):
                below = inner._encode(config, f"{prefix}{name}|{raw}|")
                if below is None:
                    return None
                raws |= below
        return raws

    def completed(self, given: Config, defaults: Config) -> dict[str, Any]:
        """What is given and, of what else is active with it, the default: if it is none here, the middle."""
        found: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            found[name] = given[name] if name in given else usual(parameter, name, defaults)
            if isinstance(parameter, Float) and parameter.encode(found[name]) is not None:
                found[name] = float(found[name])  # as it is drawn
            if isinstance(parameter, Choice) and (index := parameter.encode(found[name])) is not None:
                inner = parameter.options[index].space
                found |= inner.completed(given, defaults) if inner else {}
        return found

    def fault(self, config: Config) -> str:
        """What keeps a config out of the space, in words; empty where it is in."""
        if self.encode(config) is not None:
            return ""
        for name, parameter in self.parameters.items():
            if name not in config:
                return f"{name} is missing"
            if isinstance(parameter, Fixed):
                inside = config[name] == parameter.value
            else:
                inside = parameter.encode(config[name]) is not None
            if not inside:
                return f"{name} {config[name]!r} is not in the space"
            if isinstance(parameter, Choice):
                inner = parameter.options[parameter.encode(config[name]) or 0].space
                if inner and (below := inner.fault(inner.active(config))):
                    return below
        strange = sorted(set(config) - set(self.active(config)))
        return f"{strange[0]} is not in the space" if strange else ""

    def active(self, values: Config) -> dict[str, Any]:
        """Those of the values that are active hyperparameters here, given the others."""
        found: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if name not in values:
                continue
            found[name] = values[name]
            if isinstance(parameter, Choice) and (index := parameter.encode(values[name])) is not None:
                inner = parameter.options[index].space
                found |= inner.active(values) if inner else {}
        return found

    def of(self, config: Config) -> Iterator[tuple[str, Searched]]:
        """The searched hyperparameters that are active in a config, by name, each as it is on its branch."""
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Fixed) or name not in config:
                continue
            yield name, parameter
            if isinstance(parameter, Choice) and (index := parameter.encode(config[name])) is not None:
                inner = parameter.options[index].space
                yield from inner.of(config) if inner else ()

    @cached_property
    def leaves(self) -> Mapping[str, Searched]:
        """Every hyperparameter that is searched, by label, branches included."""
        return dict(self._leaves(""))

    def _leaves(self, prefix: str) -> Iterator[tuple[str, Searched]]:
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Fixed):
                continue
            yield prefix + name, parameter
            if isinstance(parameter, Choice):
                for i, option in enumerate(parameter.options):
                    if option.space:
                        yield from option.space._leaves(f"{prefix}{name}|{i}|")

    def labels(self) -> Iterator[str]:
        """Every label that an algorithm may draw."""
        return iter(self.leaves)

    def walk(self, pick: Callable[[str, Searched], Any], prefix: str = "") -> dict[str, Any]:
        """Raw values of the active labels, by `pick(label, parameter)`; choices before what hangs on them."""
        raws: dict[str, Any] = {}
        for name, parameter in self.parameters.items():
            if isinstance(parameter, Fixed):
                continue
            raw = raws[prefix + name] = pick(prefix + name, parameter)
            if isinstance(parameter, Choice) and (inner := parameter.options[int(raw)].space):
                raws |= inner.walk(pick, f"{prefix}{name}|{int(raw)}|")
        return raws

    def full(self, raws: Mapping[str, Any]) -> Vals:
        """Hyperopt's form of the raw values of the active labels."""
        return {label: [raws[label]] if label in raws else [] for label in self.labels()}

    def names(self) -> set[str]:
        """Every name that a config may hold."""
        found = set(self.parameters)
        for parameter in self.parameters.values():
            if isinstance(parameter, Choice):
                found |= parameter.names()
        return found

    def fixed(self) -> set[str]:
        """Every name that has a fixed value, here or on some branch."""
        found = {name for name, parameter in self.parameters.items() if isinstance(parameter, Fixed)}
        for parameter in self.parameters.values():
            if isinstance(parameter, Choice):
                found |= {name for o in parameter.options if o.space for name in o.space.fixed()}
        return found
