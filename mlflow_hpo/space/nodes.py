"""Reads single YAML nodes of a space, which know their lines, and collects the faults."""

import yaml

from mlflow_hpo.errors import cut
from mlflow_hpo.space.choices import Fixed, Scalar
from mlflow_hpo.space.where import WHERE, Where, constraints
from mlflow_hpo.space.yaml_1_2 import FastLoader, Loader

SHOWN = 20  # characters of a word that is no number
STANDARD = "tag:yaml.org,2002:"
PLAIN_TAGS = tuple(STANDARD + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map"))


class Nodes:
    """Reads the nodes of one text.

    Attributes:
        faults: a line for each, `SOURCE:LINE: PATH: what is wrong`.
    """

    def __init__(self, loader: Loader | FastLoader, source: str) -> None:
        self.faults: list[str] = []
        self._loader = loader
        self._source = source

    def _name(self, node: yaml.Node, path: str) -> str:
        if self._is_tagged(node, path):  # `<<`, which merges mappings, has one
            return ""
        name = self._scalar(node)
        # The store gives it another name if MLflow does not take it; `|` separates the names in a label.
        if not isinstance(name, str) or not name or "|" in name or _is_unkept(name):
            self._fault(node, path, f"{name!r} is no name for a hyperparameter")
        return str(name)

    def _where(self, mapping: yaml.MappingNode) -> tuple[Where, ...]:
        """Takes the constraints out of a mapping of hyperparameters."""
        found = [pair for pair in mapping.value if self._scalar(pair[0]) == WHERE and _is_text(pair[1])]
        mapping.value = [pair for pair in mapping.value if pair not in found]
        nodes = [node for _, values in found for node in _items(values)]
        rules = constraints([str(self._scalar(node)) for node in nodes])
        for node, rule in zip(nodes, rules, strict=False):
            if rule.fault:
                self._fault(node, WHERE, rule.fault)
        return rules

    def _fields(self, node: yaml.MappingNode, path: str) -> dict[str, yaml.Node] | None:
        nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            field = self._scalar(key) if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(field, str):
                self._fault(key, path, "expected fields such as type, low and high")
                return None
            nodes[field] = value
        return nodes

    def _fixed(self, node: yaml.Node, path: str) -> Fixed | None:
        if self._is_tagged(node, path):
            return None
        value = self._scalar(node)
        if not isinstance(node, yaml.ScalarNode) or not isinstance(value, bool | int | float | str | None):
            self._fault(node, path, "expected a number, a word, true, false or null")
            return None
        if fault := _fault_of(node, value):
            self._fault(node, path, fault)
            return None
        return Fixed(value)

    def _scalar(self, node: yaml.Node) -> Scalar:
        try:
            value: Scalar = self._loader.construct_object(node, deep=True)
        except (yaml.YAMLError, TypeError, ValueError, LookupError, RecursionError):
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


def _fault_of(node: yaml.ScalarNode, value: Scalar) -> str:
    """Returns why a value cannot be kept, in words; empty if it can."""
    if isinstance(value, float) and value - value != 0:
        return f"{value} is not a finite number"
    if isinstance(value, str) and node.tag != STANDARD + "str":
        return f"{cut(node.value, SHOWN)!r} is no {node.tag.removeprefix(STANDARD)}, or too long for one"
    if isinstance(value, str) and _is_unkept(value):
        return f"{value!r} has characters that no store keeps"
    return ""


def _is_unkept(text: str) -> bool:
    """Tells whether a text has characters that cannot be stored: a zero, or halves of others."""
    return any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def _items(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]


def _is_text(node: yaml.Node) -> bool:
    """Tells whether a node is a text, or a list of texts."""
    return all(isinstance(item, yaml.ScalarNode) for item in _items(node))
