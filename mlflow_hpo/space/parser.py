"""Turns YAML nodes into a space."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf
from typing import Any

import yaml
from pydantic import ValidationError

from mlflow_hpo.space.choices import Choice, Option, Parameter, Searched, identity
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.nodes import Nodes
from mlflow_hpo.space.normal import Normal
from mlflow_hpo.space.space import Space
from mlflow_hpo.vocabulary import fault_text

_RANGES: dict[str, type[Float] | type[Int] | type[Normal]] = {"float": Float, "int": Int, "normal": Normal}
BOUNDS = {"low", "high", "mean", "std", "odds"}
CHOICE, LISTS = "choice", ("options", "odds")
Path = tuple[str, ...]  # names in nested mappings


class Parser(Nodes):
    """Turns YAML nodes into parameters."""

    def document(self, node: yaml.Node | None) -> Space | None:
        """Returns the space in a file's node; it may lack a part if there are faults."""
        if isinstance(node, yaml.MappingNode) and not node.value:
            return Space({})  # nothing to search
        where = self._where(node) if isinstance(node, yaml.MappingNode) else ()
        space = self._space(node, "") if node is not None else None
        if space and where:
            return replace(space, where=where)
        if not self.faults and space is None:
            self.faults.append(f"{self._source}:1: the space is empty: name at least one hyperparameter")
        return space

    def _space(self, node: yaml.Node, path: str) -> Space | None:
        if self._is_tagged(node, path):
            return None
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, path, "expected hyperparameters as `name: values`")
            return None
        if not node.value:
            self._fault(node, path, "the space is empty: name at least one hyperparameter")
            return None
        parameters: dict[str, Parameter] = {}
        paths: dict[str, Path] = {}
        taken, holders = set[str](), set[str]()  # names, and names of mappings that have names in them
        for way, key, value in self._named(node, path):
            name = ".".join(way)
            where = f"{path}.{name}" if path else name
            if len(way) > 1:
                paths[name] = way
            parameter = self._parameter(value, where)
            below = parameter.names() if isinstance(parameter, Choice) else set[str]()
            above = {".".join(way[:depth]) for depth in range(1, len(way))}
            if twice := sorted(({name} | below) & taken | {name} & below | above & taken | {name} & holders):
                self._fault(key, where, f"{twice[0]!r} is defined twice where both would be active")
            taken |= {name} | below
            holders |= above
            if parameter:
                parameters[name] = parameter
        return Space(parameters, paths)

    def _named(
        self, node: yaml.MappingNode, path: str, way: Path = ()
    ) -> Iterator[tuple[Path, yaml.Node, yaml.Node]]:
        """Yields what a mapping names, and what mappings in it name, each with its path, name and values."""
        for key, value in node.value:
            name = self._name(key, path)
            place = f"{path}.{name}" if path else name
            if _is_nested(value):
                tagged = self._is_tagged(value, place)
                yield from () if tagged else self._named(value, place, (*way, name))
            else:
                yield (*way, name), key, value

    def _parameter(self, node: yaml.Node, path: str) -> Parameter | None:
        if not isinstance(node, yaml.ScalarNode) and self._is_tagged(node, path):
            return None
        if isinstance(node, yaml.MappingNode):
            return self._range(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._choice(node, path)
        return self._fixed(node, path)

    def _range(self, node: yaml.MappingNode, path: str) -> Searched | None:
        nodes = self._fields(node, path)
        if nodes is None:
            return None
        scalars = {field: value for field, value in nodes.items() if field not in LISTS}
        values = {field: self._scalar(value) for field, value in scalars.items()}
        kind = values.get("type")
        if kind == CHOICE:
            return self._odds(node, nodes, path)
        if not isinstance(kind, str) or kind not in _RANGES:
            got = f"type {kind!r}" if "type" in values else "no type"
            expected = f"expected type {', '.join(_RANGES)} or {CHOICE}, or a list"
            self._fault(nodes.get("type", node), path, f"{got}: {expected}")
            return None
        try:
            return _RANGES[kind].model_validate(values)
        except ValidationError as error:
            for fault in error.errors():
                field = str(fault["loc"][0]) if fault["loc"] else ""
                where = f"{path}.{field}" if field else path
                self._fault(nodes.get(field, node), where, fault_text(fault))
            return None

    def _odds(self, node: yaml.MappingNode, nodes: dict[str, yaml.Node], path: str) -> Choice | None:
        """Returns a choice whose options are not drawn equally often."""
        options, odds = (nodes.get(name) for name in LISTS)
        if not isinstance(options, yaml.SequenceNode) or not isinstance(odds, yaml.SequenceNode):
            self._fault(node, path, "a choice with odds has two lists of equal length, options and odds")
            return None
        choice, parts = self._choice(options, path), [self._scalar(part) for part in odds.value]
        good = [
            float(p) for p in parts if isinstance(p, int | float) and not isinstance(p, bool) and 0 < p < inf
        ]
        if not choice or not len(good) == len(parts) == len(choice.options):
            self._fault(odds, path, "odds are as many numbers above 0 as there are options")
            return None
        return Choice(choice.options, tuple(good) if len(set(good)) > 1 else ())

    def _choice(self, node: yaml.SequenceNode, path: str) -> Choice | None:
        if not node.value:
            self._fault(node, path, "a choice needs at least one option")
            return None
        options: list[Option] = []
        taken: dict[Any, Any] = {}
        for i, item in enumerate(node.value):
            option = self._option(item, f"{path}[{i}]")
            if option is None:
                continue
            key = identity(option.value)
            if key not in taken:
                options.append(option)
            elif repr(taken[key]) == repr(option.value):  # 1.0 beside 1 is no other point
                self._fault(item, f"{path}[{i}]", f"option {option.value!r} is given twice")
            taken[key] = option.value
        return Choice(tuple(options)) if options else None

    def _option(self, node: yaml.Node, path: str) -> Option | None:
        if not isinstance(node, yaml.ScalarNode) and self._is_tagged(node, path):
            return None
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, path)
        if not isinstance(node, yaml.MappingNode):
            return Option(single.value) if (single := self._fixed(node, path)) else None
        if len(node.value) != 1:
            self._fault(node, path, "an option with hyperparameters is written `option: {name: values}`")
            return None
        key, below = node.value[0]
        option = self._fixed(key, path)
        inner = self._space(below, f"{path}.{self._scalar(key)}")
        return Option(option.value, inner) if option and inner else None

    def _list(self, node: yaml.SequenceNode, path: str) -> Option | None:
        items = [self._fixed(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        return None if None in items else Option([item.value for item in items if item])


def is_distribution(fields: Mapping[Any, Any], has_type: bool) -> bool:
    """Tells whether a mapping is one hyperparameter's distribution, and not several hyperparameters."""
    return has_type or not BOUNDS.isdisjoint(fields)


def _is_nested(node: yaml.Node) -> bool:
    """Tells whether a mapping holds hyperparameters, and is not itself one."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return False
    fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    return not is_distribution(fields, isinstance(fields.get("type"), yaml.ScalarNode))
