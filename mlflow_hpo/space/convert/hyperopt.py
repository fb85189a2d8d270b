"""Converts Hyperopt's expressions: a dict of `hp.*`, choices of dicts, and whatever else its users write.

The names in our space are Hyperopt's labels. An expression is a graph of pyll nodes with a `name` and inputs,
see `hyperopt/pyll_utils.py`; `hp.choice` is a `switch` over a `hyperopt_param`.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Value, identity
from mlflow_hpo.space.plain import Plain, multiples, number, plain, refused, short

Node = Any
LABELLED = ("switch", "hyperopt_param")
NEEDED = {
    "uniform": {"low", "high"},
    "loguniform": {"low", "high"},
    "quniform": {"low", "high", "q"},
    "qloguniform": {"low", "high", "q"},
    "randint": {"low"},
    "normal": {"mu", "sigma"},
    "lognormal": {"mu", "sigma"},
    "qnormal": {"mu", "sigma", "q"},
    "qlognormal": {"mu", "sigma", "q"},
}
LARGEST = math.log(sys.float_info.max)
TELLING = ("type", "name", "model", "kind")  # keys of an option whose word describes it best
LONGEST = 60  # letters of such a word


def is_expression(space: Any) -> bool:
    """Returns whether there is a Hyperopt node in it; imports nothing."""
    if "hyperopt" not in sys.modules:
        return False
    from hyperopt.pyll import Apply

    if isinstance(space, Mapping):
        return any(map(is_expression, space.values()))
    if isinstance(space, list | tuple):
        return any(map(is_expression, space))
    return isinstance(space, Apply)


def plain_expression(expression: Any) -> Plain:
    """Returns the expression as plain data: each label a hyperparameter, below the option that needs it.

    Raises:
        SpaceError: a label is used twice, or a space cannot express a distribution.
    """
    from hyperopt.pyll import as_apply

    root = as_apply(expression)
    _check_labels(root)
    return _space(root, frozenset())


def _check_labels(root: Node) -> None:
    """Raises SpaceError if a label stands for two things (`expr_to_config` stumbles over pchoice)."""
    from hyperopt.pyll import dfs

    meanings: dict[tuple[str, str], Node] = {}
    for node in dfs(root):
        if node.name in LABELLED:
            label, meaning = _label(node), node if node.name == "switch" else node.arg["obj"]
            if meanings.setdefault((node.name, label), meaning) is not meaning:
                raise SpaceError(f"space: {label}: the label is used for two hyperparameters")


def _space(node: Node, above: frozenset[str]) -> Plain:
    """Returns what is always active in a node, without the labels that are active above it already."""
    nodes = {label: inner for label, inner in _always_active(node) if label not in above}
    return {label: _parameter(label, inner, above | set(nodes)) for label, inner in nodes.items()}


def _always_active(node: Node) -> Iterator[tuple[str, Node]]:
    """Yields the hyperparameters that a node always evaluates, which leaves out those below options."""
    if node.name in LABELLED:
        yield _label(node), node
    else:
        for inner in node.inputs():
            yield from _always_active(inner)


def _label(node: Node) -> str:
    drawn = node.inputs()[0] if node.name == "switch" else node
    if drawn.name != "hyperopt_param":
        raise SpaceError("space: a switch of Hyperopt's is no hp.choice: give it a label")
    return str(_constant(drawn.inputs()[0]))


def _constant(node: Node) -> Any:
    """Returns the value of a constant node, or the name of any other node."""
    return node.obj if node.name == "literal" else node.name


def _parameter(label: str, node: Node, above: frozenset[str]) -> Plain:
    if node.name != "switch":
        return _range(label, node.arg["obj"])
    chosen, *options = node.inputs()
    below = [_space(option, above) for option in options]
    choice = [{v: b} if b else v for v, b in zip(_option_values(options), below, strict=True)]
    odds = _odds(chosen.arg["obj"])
    return {"type": "choice", "options": choice, "odds": odds} if odds else choice


def _odds(node: Node) -> list[float]:
    """Returns the odds of a choice's options; nothing if they are even."""
    if node.name != "categorical":
        return []
    odds = [float(_constant(p)) for p in node.arg["p"].inputs()] or [float(p) for p in node.arg["p"].obj]
    return [] if all(math.isclose(p, odds[0], rel_tol=1e-6) for p in odds) else odds


def _range(label: str, node: Node) -> Plain:
    kind, bounds = node.name, _bounds(label, node)
    if "normal" in kind:
        prior = {"type": "normal", "mean": float(bounds["mu"]), "std": float(bounds["sigma"])}
        log, step = (
            {"log": True} if "log" in kind else {},
            {"step": float(bounds["q"])} if "q" in bounds else {},
        )
        return prior | log | step
    if kind == "randint":
        return _randint(**bounds)
    if kind == "quniform":
        return multiples(**bounds, kind="int" if float(bounds["q"]).is_integer() else "float")
    if kind == "uniform":
        return number("float", **bounds)
    if max(bounds["low"], bounds["high"]) > LARGEST:
        raise refused(label, f"hp.{kind} takes the logarithms of its bounds,", f"not {bounds['high']}")
    low, high = (short(math.exp(bounds[end])) for end in ("low", "high"))
    if kind == "loguniform":
        return number("float", low, high, log=True)
    return _qloguniform(label, low, high, bounds["q"])


def _bounds(label: str, node: Node) -> dict[str, Any]:
    kind = node.name
    if kind not in NEEDED:
        raise refused(label, f"hp.{kind} has no place in a space:", "take hp.uniform or hp.randint")
    given = {
        k: v for k, v in node.arg.items() if k in ("low", "high", "q", "mu", "sigma") and hasattr(v, "name")
    }
    if missing := sorted(NEEDED[kind] - set(given)):
        raise refused(label, f"hp.{kind} has no {missing[0]}:", "give it")
    return {k: _bound(label, f"hp.{kind}", k, v) for k, v in given.items()}


def _bound(label: str, kind: str, name: str, node: Node) -> Any:
    value = plain(_constant(node))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refused(label, f"{kind} has {name} {value!r:.60}:", "it must be a finite number")
    if name == "q" and value <= 0:
        raise refused(label, f"{kind} has q {value}:", "it must be above 0")
    return value


def _randint(low: int, high: int | None = None) -> Plain:
    first, after = (0, low) if high is None else (low, high)
    return number("int", first, after - 1)


def _qloguniform(label: str, low: float, high: float, q: float) -> Plain:
    steps = multiples(low, high, q, "int") if q == 1 else None
    if isinstance(steps, dict) and steps["low"] > 0:
        return steps | {"log": True}
    if isinstance(steps, int):
        return steps
    what = f"hp.qloguniform from {low:g} to {high:g} by {q:g}"
    raise refused(label, what, "has no place in a space: take it by 1 from 1, or hp.loguniform")


def _option_values(options: Sequence[Node]) -> list[Value]:
    """Returns a readable value for each option, all different.

    It is the option itself if that is a scalar or a list of scalars, else its first word (of a dict its
    `type` or `name` before others), the label of a hyperparameter in it, or its index.
    """
    scalars = {i: plain(v) for i, node in enumerate(options) if _is_plain(v := _value(node))}
    values: dict[int, Value] = {}
    for i in [*scalars, *(i for i in range(len(options)) if i not in scalars)]:
        candidates = [scalars[i]] if i in scalars else [*_constant_words(options[i]), *_labels(options[i])]
        candidates += [i, *(f"option {i}" + "'" * n for n in range(len(options)))]
        values[i] = next(c for c in candidates if identity(c) not in map(identity, values.values()))
    return [values[i] for i in range(len(options))]


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


def _constant_words(node: Node) -> Iterator[str]:
    """Yields the words in a node, those of telling keys first; a function or class counts by its name."""
    if node.name == "literal":
        word = node.obj if isinstance(node.obj, str) else getattr(node.obj, "__name__", None)
        if isinstance(word, str) and 0 < len(word) <= LONGEST:
            yield word
    elif node.name not in LABELLED:
        named = sorted(node.named_args, key=lambda pair: (*TELLING, pair[0]).index(pair[0]))
        for inner in [*node.pos_args, *(value for _, value in named)]:
            yield from _constant_words(inner)


def _labels(node: Node) -> Iterator[str]:
    if node.name == "hyperopt_param":
        yield str(_constant(node.inputs()[0]))
    else:
        for inner in node.inputs():
            yield from _labels(inner)
