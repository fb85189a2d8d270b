"""Turns YAML nodes into a space."""

from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter, Scalar, identity
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_1_2 import FastLoader, Loader

STANDARD = "tag:yaml.org,2002:"
PLAIN_TAGS = tuple(STANDARD + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map"))
_RANGES: dict[str, type[Float] | type[Int]] = {"float": Float, "int": Int}


class Parser:
    """Turns YAML nodes, which know their lines, into parameters, and collects the faults.

    Attributes:
        faults: a line for each, `SOURCE:LINE: PATH: what is wrong`.
    """

    def __init__(self, loader: Loader | FastLoader, source: str) -> None:
        self.faults: list[str] = []
        self._loader = loader
        self._source = source

    def document(self, node: yaml.Node | None) -> Space | None:
        """Returns the space in a file's node; it may lack a part if there are faults."""
        space = self._space(node, "") if node is not None else None
        if not self.faults and space is None:
            self.faults.append(f"{self._source}:1: the space is empty: name at least one hyperparameter")
        elif not self.faults and space is not None and not space.leaves:
            self.faults.append(f"{self._source}:1: nothing to search: every hyperparameter is fixed")
        return space

    def _space(self, node: yaml.Node, path: str) -> Space | None:
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, path, "expected hyperparameters as `name: values`")
            return None
        if not node.value:
            self._fault(node, path, "the space is empty: name at least one hyperparameter")
            return None
        parameters: dict[str, Parameter] = {}
        taken: set[str] = set()
        for key, value in node.value:
            name = self._name(key, path)
            where = f"{path}.{name}" if path else name
            parameter = self._parameter(value, where)
            below = parameter.names() if isinstance(parameter, Choice) else set[str]()
            if twice := sorted(({name} | below) & taken | {name} & below):
                self._fault(key, where, f"{twice[0]!r} is defined twice where both would be active")
            taken |= {name} | below
            if parameter:
                parameters[name] = parameter
        return Space(parameters)

    def _name(self, node: yaml.Node, path: str) -> str:
        name = self._scalar(node)
        # The store gives it another name if MLflow does not take it; `|` separates the names in a label.
        if not isinstance(name, str) or not name or "|" in name:
            self._fault(node, path, f"{name!r} is no name for a hyperparameter")
        return str(name)

    def _parameter(self, node: yaml.Node, path: str) -> Parameter | None:
        if not isinstance(node, yaml.ScalarNode) and self._is_tagged(node, path):
            return None
        if isinstance(node, yaml.MappingNode):
            return self._range(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._choice(node, path)
        return self._fixed(node, path)

    def _range(self, node: yaml.MappingNode, path: str) -> Float | Int | None:
        nodes = self._fields(node, path)
        if nodes is None:
            return None
        values = {field: self._scalar(value) for field, value in nodes.items()}
        kind = values.get("type")
        if not isinstance(kind, str) or kind not in _RANGES:
            got = f"type {kind!r}" if "type" in values else "no type"
            self._fault(nodes.get("type", node), path, f"{got}: expected type float or int, or a list")
            return None
        try:
            return _RANGES[kind].model_validate(values)
        except ValidationError as error:
            for fault in error.errors():
                field = str(fault["loc"][0]) if fault["loc"] else ""
                where = f"{path}.{field}" if field else path
                self._fault(nodes.get(field, node), where, _words(fault))
            return None

    def _fields(self, node: yaml.MappingNode, path: str) -> dict[str, yaml.Node] | None:
        nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            field = self._scalar(key) if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(field, str):
                self._fault(key, path, "expected fields such as type, low and high")
                return None
            nodes[field] = value
        return nodes

    def _choice(self, node: yaml.SequenceNode, path: str) -> Choice | None:
        if not node.value:
            self._fault(node, path, "a choice needs at least one option")
            return None
        options: list[Option] = []
        taken: set[Any] = set()
        for i, item in enumerate(node.value):
            option = self._option(item, f"{path}[{i}]")
            if option is None:
                continue
            if identity(option.value) in taken:
                self._fault(item, f"{path}[{i}]", f"option {option.value!r} is given twice")
            options.append(option)
            taken.add(identity(option.value))
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

    def _fixed(self, node: yaml.Node, path: str) -> Fixed | None:
        if self._is_tagged(node, path):
            return None
        value = self._scalar(node)
        if not isinstance(node, yaml.ScalarNode) or not isinstance(value, bool | int | float | str | None):
            self._fault(node, path, "expected a number, a word, true, false or null")
            return None
        if isinstance(value, float) and value - value != 0:
            self._fault(node, path, f"{value} is not a finite number")
            return None
        return Fixed(value)

    def _scalar(self, node: yaml.Node) -> Scalar:
        try:
            value: Scalar = self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, TypeError, ValueError, RecursionError):
            return f"<{node.tag}>"
        return value

    def _is_tagged(self, node: yaml.Node, path: str) -> bool:
        """Refuses a tag such as `!!python/tuple`; tells whether there is one."""
        if is_tagged := node.tag not in PLAIN_TAGS:
            self._fault(node, path, f"the tag {node.tag.replace(STANDARD, '!!')} is not read: leave it out")
        return is_tagged

    def _fault(self, node: yaml.Node, path: str, message: str) -> None:
        place = f"{path}: " if path else ""
        self.faults.append(f"{self._source}:{node.start_mark.line + 1}: {place}{message}")


def _words(fault: ErrorDetails) -> str:
    message = fault["msg"].removeprefix("Value error, ")
    return message if fault["type"] in ("missing", "value_error") else f"{message}, not {fault['input']!r}"
