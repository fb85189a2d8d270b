"""A readable value for each option of a choice in a Hyperopt expression."""

from collections.abc import Iterator, Sequence
from typing import Any

from mlflow_hpo.space.choices import Value
from mlflow_hpo.space.plain import plain

Node = Any
TELLING = ("type", "name", "model", "kind")  # keys of an option whose word says best what it is
LONGEST = 60  # letters of such a word


def constant(node: Node) -> Any:
    """The value of a constant; the node's name where it is none."""
    return node.obj if node.name == "literal" else node.name


def option_values(options: Sequence[Node]) -> list[Value]:
    """A value for each option, all different.

    It is the option itself where that is a scalar or a list of scalars, else its first word (of a
    dict its `type` or `name` before others), the label of a hyperparameter in it, or its index.
    """
    own = {i: plain(v) for i, node in enumerate(options) if _is_plain(v := _value(node))}
    taken: list[Value] = []
    values: dict[int, Value] = {}
    for i in [*own, *(i for i in range(len(options)) if i not in own)]:
        candidates = [own[i]] if i in own else list(_words(options[i]))
        candidates += [i, *(f"option {i}" + "'" * n for n in range(len(options)))]
        values[i] = next(c for c in candidates if not any(_equal(c, t) for t in taken))
        taken.append(values[i])
    return [values[i] for i in range(len(options))]


def _equal(one: Value, other: Value) -> bool:
    return repr(one) == repr(other)


def _value(node: Node) -> Any:
    if node.name == "literal":
        return node.obj
    if node.name == "pos_args" and all(i.name == "literal" for i in node.inputs()):
        return [i.obj for i in node.inputs()]
    return node


def _is_plain(value: Any) -> bool:
    value = plain(value)
    items = value if isinstance(value, list) else [value]
    return all(type(i) in (bool, int, str, type(None)) or (type(i) is float and i - i == 0) for i in items)


def _words(node: Node) -> Iterator[str]:
    yield from _constants(node)
    yield from _labels(node)


def _constants(node: Node) -> Iterator[str]:
    """The words in a node, those of telling keys first; the names of functions and classes count."""
    if node.name == "literal":
        word = node.obj if isinstance(node.obj, str) else getattr(node.obj, "__name__", None)
        if isinstance(word, str) and 0 < len(word) <= LONGEST:
            yield word
    elif node.name not in ("switch", "hyperopt_param"):
        named = sorted(node.named_args, key=lambda pair: (*TELLING, pair[0]).index(pair[0]))
        for inner in [*node.pos_args, *(value for _, value in named)]:
            yield from _constants(inner)


def _labels(node: Node) -> Iterator[str]:
    if node.name == "hyperopt_param":
        yield str(constant(node.inputs()[0]))
    else:
        for inner in node.inputs():
            yield from _labels(inner)
