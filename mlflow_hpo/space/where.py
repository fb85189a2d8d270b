"""Constraints between hyperparameters: `where: layers * units < 2000`."""

import ast
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.trial import Config

if TYPE_CHECKING:
    from mlflow_hpo.space.choices import Searched
    from mlflow_hpo.space.space import Space

WHERE = "where"  # the key of a space's constraints
MOST_DRAWS = 10_000  # configs that are drawn at random to find one that keeps to them
FUNCTIONS = {f.__name__: f for f in (abs, float, int, len, max, min, round, sum, math.log, math.sqrt)}


@dataclass(frozen=True)
class Where:
    """Holds one constraint: a comparison between hyperparameters, in Python's words.

    Those in nested mappings are written as `opt.rate`. A constraint that names a hyperparameter which is not
    active in a config says nothing about that config.
    """

    text: str

    @property
    def fault(self) -> str:
        """Returns in words why it is no constraint; empty if it is one."""
        try:
            compares = isinstance(self._tree.body, ast.Compare | ast.BoolOp | ast.UnaryOp)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            compares = False
        if not compares:
            return f"{self.text!r} is no comparison, such as `layers * units < 2000`"
        called = [node.func for node in ast.walk(self._tree) if isinstance(node, ast.Call)]
        strange = [ast.unparse(f) for f in called if not (isinstance(f, ast.Name) and f.id in FUNCTIONS)]
        return f"{self.text!r} calls {strange[0]}: it may call {', '.join(FUNCTIONS)}" if strange else ""

    @cached_property
    def names(self) -> frozenset[str]:
        """Returns the hyperparameters that it names."""
        return frozenset(_names(self._tree.body))

    def holds(self, config: Config) -> bool:
        """Tells whether a config keeps to it; one for which it cannot be worked out does not."""
        if not self.names <= config.keys():
            return True
        try:
            return bool(self._evaluator(config).eval(self.text, self._tree.body))
        except Exception:  # such as a division by zero
            return False

    @cached_property
    def _tree(self) -> ast.Expression:
        return ast.parse(self.text.strip(), mode="eval")

    def _evaluator(self, config: Config) -> Any:
        from simpleeval import EvalWithCompoundTypes

        return EvalWithCompoundTypes(names=_nested(config, self.names), functions=FUNCTIONS)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        return [ast.unparse(node)]
    parts = [*node.args, *node.keywords] if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    return [name for part in parts for name in _names(part)]


def _nested(config: Config, names: frozenset[str]) -> dict[str, Any]:
    """Returns the values that names such as `opt.rate` and `units` stand for."""
    nested: dict[str, Any] = {}
    for name in names:
        *above, last = name.split(".")
        inner = nested
        for step in above:
            inner = inner.setdefault(step, {})
        inner[last] = config[name]
    return nested


def broken(space: "Space", config: Config) -> str:
    """Returns the first constraint of a space that a config does not keep to; empty if there is none."""
    return next((where.text for where in space.where if not where.holds(config)), "")


def redrawn(space: "Space", raws: Mapping[str, Any], rng: random.Random) -> Mapping[str, Any] | None:
    """Draws values anew for what broken constraints name, until all are kept to; the other values stay.

    Args:
        raws: raw values by label; what is missing is drawn, too.

    Returns:
        None if that was tried in vain.
    """
    named = _named(space, space.config(raws)) if raws else frozenset()

    def pick(label: str, parameter: "Searched") -> Any:
        stays = label in raws and label.rpartition("|")[2] not in named
        return raws[label] if stays else parameter.from_unit(rng.random())

    for _ in range(MOST_DRAWS):
        if not broken(space, space.config(drawn := space.walk(pick))):
            return drawn
    return None


def _named(space: "Space", config: Config) -> frozenset[str]:
    """Returns what the broken constraints name, and those that name some of the same."""
    names = frozenset[str]().union(*(where.names for where in space.where if not where.holds(config)))
    for _ in space.where:
        names = names.union(*(where.names for where in space.where if where.names & names))
    return names


def nearest(space: "Space", config: dict[str, Any], draws: int = 200) -> dict[str, Any]:
    """Returns a config that keeps to the constraints: the given one, or the nearest of some."""
    raws, rng = space.raws(config), random.Random(0)
    if raws is None or not broken(space, config):
        return config
    drawn = [found for _ in range(draws) if (found := redrawn(space, raws, rng))]
    return space.config(min(drawn, key=lambda other: _distance(space, raws, other))) if drawn else config


def _distance(space: "Space", raws: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    both = [label for label in other if label in raws]
    parts = [abs(space.leaves[k].unit(raws[k]) - space.leaves[k].unit(other[k])) for k in both]
    return sum(parts) + len(other) - len(both)


def check_where(space: "Space") -> None:
    """Raises SpaceError if a constraint names no hyperparameter of the space, or no config keeps to all."""
    for where in space.where:
        if strange := sorted(where.names - space.names()):
            known = ", ".join(sorted(space.names()))
            raise SpaceError(f"space: where: {where.text!r} names {strange[0]!r}, and the space has {known}")
    if space.where and redrawn(space, {}, random.Random(0)) is None:
        rules = " and ".join(where.text for where in space.where)
        raise SpaceError(f"space: where: none of {MOST_DRAWS} configs drawn at random keeps to {rules}")


def share(space: "Space") -> float:
    """Returns the part of a space that its constraints leave, by drawing from it."""
    rng, kept, draws = random.Random(0), 0, 0
    while draws < MOST_DRAWS and kept < 1000:
        config = space.config(space.walk(lambda label, parameter: parameter.from_unit(rng.random())))
        draws, kept = draws + 1, kept + (not broken(space, config))
    return kept / draws


def constraints(texts: Sequence[str]) -> tuple[Where, ...]:
    """Returns the constraints in some texts, each once."""
    return tuple(Where(text) for text in dict.fromkeys(texts))
