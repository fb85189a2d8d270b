"""Reads and writes YAML 1.2's numbers and booleans by PyYAML, which speaks YAML 1.1."""

import re
from typing import Any

import yaml
from typing_extensions import override

REPLACED = (":bool", ":float", ":int", ":timestamp")  # what PyYAML takes words for by YAML 1.1


MOST_NODES = 500_000  # values, names and lists of a text, counting what an alias repeats


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Returns how many nodes there are in one, those that aliases repeat as often as they do."""
    if id(node) not in known:
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for pair in below for part in pair] if isinstance(node, yaml.MappingNode) else below
        known[id(node)] = 0  # of an alias that holds itself, which is refused later
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


class _Bounded:
    """Refuses a text whose aliases make far more of it than it is."""

    def get_single_node(self) -> yaml.Node | None:
        """Returns the text's node.

        Raises:
            yaml.YAMLError: it is no YAML, or too large.
        """
        node: yaml.Node | None = super().get_single_node()  # type: ignore[misc]
        if node is not None and _size(node, {}) > MOST_NODES:
            raise yaml.MarkedYAMLError(problem=f"with its aliases it has more than {MOST_NODES:,} values")
        return node


class Loader(_Bounded, yaml.SafeLoader):
    """Loads safely, with YAML 1.2's numbers and booleans, and no dates.

    `1e-4` is a float and `010` is ten; `yes`, `no`, `on`, `off`, `16:9` and `2026-01-31` are words.
    Underscores may separate the digits of a whole number, as in Python.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(REPLACED)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class FastLoader(_Bounded, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loads as `Loader`, several times as fast; its errors are worded less well."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes words that `Loader` would read as something else, and writes no aliases."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


WORDS = {
    "bool": ("tTfF", r"(true|True|TRUE|false|False|FALSE)$"),
    "float": (
        "-+0123456789.",
        r"([-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf)|\.nan)$",
    ),
    "int": ("-+0123456789", r"([-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+)$"),
}
for kind, (first, pattern) in WORDS.items():
    for loader in (Loader, FastLoader):
        loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(pattern), list(first))


def _int(loader: Loader | FastLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _str(dumper: Dumper, value: str) -> yaml.ScalarNode:
    style = None if value.isprintable() else '"'  # PyYAML would read some breaks back as a space
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", value, style)
    return node


for loader in (Loader, FastLoader):
    loader.add_constructor("tag:yaml.org,2002:int", _int)
Dumper.add_representer(str, _str)
