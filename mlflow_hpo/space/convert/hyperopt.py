"""Hyperopt's expressions: a dict of `hp.*`, choices of dicts, and what else its users write.

The names in our space are Hyperopt's labels. What an expression is made of: pyll nodes with a `name` and
inputs, see `hyperopt/pyll_utils.py`; `hp.choice` is a `switch` over a `hyperopt_param`.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.convert.hyperopt_terms import constant, option_values
from mlflow_hpo.space.plain import Plain, multiples, number, plain, refused, short

Node = Any
NEEDED = {
    "uniform": {"low", "high"},
    "loguniform": {"low", "high"},
    "quniform": {"low", "high", "q"},
    "qloguniform": {"low", "high", "q"},
    "randint": {"low"},
}
LARGEST = math.log(sys.float_info.max)


def is_expression(space: Any) -> bool:
    """Whether there is a node of Hyperopt's in it; imports nothing."""
    if "hyperopt" not in sys.modules:
        return False
    from hyperopt.pyll import Apply

    if isinstance(space, Mapping):
        return any(map(is_expression, space.values()))
    if isinstance(space, list | tuple):
        return any(map(is_expression, space))
    return isinstance(space, Apply)


def plain_expression(expression: Any) -> Plain:
    """The expression as plain data: a label for each hyperparameter, those below an option under it.

    Raises:
        SpaceError: a label is used twice, or a distribution has no place in a space.
    """
    from hyperopt.pyll import as_apply

    root = as_apply(expression)
    _check_labels(root)
    return _space(root, frozenset())


def _check_labels(root: Node) -> None:
    """A label may stand in several places, but for one thing (`expr_to_config` trips over pchoice)."""
    from hyperopt.pyll import dfs

    seen: dict[tuple[str, str], Node] = {}
    for node in dfs(root):
        if node.name in ("switch", "hyperopt_param"):
            label, what = _label(node), node if node.name == "switch" else node.arg["obj"]
            if seen.setdefault((node.name, label), what) is not what:
                raise SpaceError(f"space: {label}: the label is used for two hyperparameters")


def _space(node: Node, above: frozenset[str]) -> Plain:
    """Those that are always active in a node; what is active above it is not repeated."""
    found = {label: inner for label, inner in _labelled(node) if label not in above}
    return {label: _parameter(label, inner, above | set(found)) for label, inner in found.items()}


def _labelled(node: Node) -> Iterator[tuple[str, Node]]:
    """The hyperparameters that a node always evaluates: options are not looked into."""
    if node.name in ("switch", "hyperopt_param"):
        yield _label(node), node
    else:
        for inner in node.inputs():
            yield from _labelled(inner)


def _label(node: Node) -> str:
    drawn = node.inputs()[0] if node.name == "switch" else node
    if drawn.name != "hyperopt_param":
        raise SpaceError("space: a switch of Hyperopt's is no hp.choice: give it a label")
    return str(constant(drawn.inputs()[0]))


def _parameter(label: str, node: Node, above: frozenset[str]) -> Plain:
    if node.name != "switch":
        return _range(label, node.arg["obj"])
    chosen, *options = node.inputs()
    _check_even(label, chosen.arg["obj"])
    below = [_space(option, above) for option in options]
    return [{v: b} if b else v for v, b in zip(option_values(options), below, strict=True)]


def _check_even(label: str, node: Node) -> None:
    if node.name == "categorical":
        odds = [constant(p) for p in node.arg["p"].inputs()] or list(node.arg["p"].obj)
        if not all(math.isclose(p, odds[0], rel_tol=1e-6) for p in odds):
            raise refused(label, f"hp.pchoice has odds of {odds}:", "a space has even ones, take hp.choice")


def _range(label: str, node: Node) -> Plain:
    kind, ends = node.name, _bounds(label, node)
    if kind == "randint":
        return _randint(**ends)
    if kind == "quniform":
        return multiples(**ends, kind="int" if float(ends["q"]).is_integer() else "float")
    if kind == "uniform":
        return number("float", **ends)
    if max(ends["low"], ends["high"]) > LARGEST:
        raise refused(label, f"hp.{kind} takes the logarithms of its bounds,", f"not {ends['high']}")
    low, high = (short(math.exp(ends[end])) for end in ("low", "high"))
    if kind == "loguniform":
        return number("float", low, high, log=True)
    return _qloguniform(label, low, high, ends["q"])


def _bounds(label: str, node: Node) -> dict[str, Any]:
    kind = node.name
    if "normal" in kind:
        raise refused(label, f"hp.{kind} is unbounded:", "take hp.uniform or hp.loguniform")
    if kind not in NEEDED:
        raise refused(label, f"hp.{kind} has no place in a space:", "take hp.uniform or hp.randint")
    given = {k: v for k, v in node.arg.items() if k in ("low", "high", "q") and hasattr(v, "name")}
    if missing := sorted(NEEDED[kind] - set(given)):
        raise refused(label, f"hp.{kind} has no {missing[0]}:", "give it")
    return {k: _bound(label, f"hp.{kind}", k, v) for k, v in given.items()}


def _bound(label: str, kind: str, name: str, node: Node) -> Any:
    value = plain(constant(node))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refused(label, f"{kind} has {name} {value!r:.60}:", "it must be a finite number")
    if name == "q" and value <= 0:
        raise refused(label, f"{kind} has q {value}:", "it must be above 0")
    return value


def _randint(low: int, high: int | None = None) -> Plain:
    first, after = (0, low) if high is None else (low, high)
    return number("int", first, after - 1)


def _qloguniform(label: str, low: float, high: float, q: float) -> Plain:
    found = multiples(low, high, q, "int") if q == 1 else None
    if isinstance(found, dict) and found["low"] > 0:
        return found | {"log": True}
    if isinstance(found, int):
        return found
    what = f"hp.qloguniform from {low:g} to {high:g} by {q:g}"
    raise refused(label, what, "has no place in a space: take it by 1 from 1, or hp.loguniform")
