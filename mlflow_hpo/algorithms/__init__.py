"""Search algorithms: functions with Hyperopt's suggest interface, and `propose`, which asks one."""

from collections.abc import Callable, Mapping

from mlflow_hpo.algorithms.base import Algorithm, Choose, Point, Raws, Suggest, suggest_by
from mlflow_hpo.algorithms.grid import grid_size
from mlflow_hpo.algorithms.propose import observed_at, propose, warm_trials
from mlflow_hpo.errors import unknown

__all__ = [
    "ALGORITHMS",
    "GRID",
    "GRID_POINTS",
    "Algorithm",
    "Choose",
    "Point",
    "Raws",
    "Suggest",
    "algorithm",
    "check_algorithm",
    "grid_size",
    "observed_at",
    "propose",
    "suggest_by",
    "warm_trials",
]

GRID_POINTS = 5


def _tpe() -> Algorithm:
    from mlflow_hpo.algorithms.from_hyperopt import tpe

    return tpe()


def _random() -> Algorithm:
    from mlflow_hpo.algorithms.from_hyperopt import random

    return random()


def _anneal() -> Algorithm:
    from mlflow_hpo.algorithms.from_hyperopt import anneal

    return anneal()


def _atpe() -> Algorithm:
    from mlflow_hpo.algorithms.from_hyperopt import atpe

    return atpe()


def _gp() -> Algorithm:
    from mlflow_hpo.algorithms.gp import gp

    return gp()


def _evolution() -> Algorithm:
    from mlflow_hpo.algorithms.evolution import evolution

    return evolution()


def _cmaes() -> Algorithm:
    from mlflow_hpo.algorithms.cma import cma

    return cma()


ALGORITHMS: Mapping[str, Callable[[], Algorithm]] = {
    "tpe": _tpe,
    "random": _random,
    "anneal": _anneal,
    "atpe": _atpe,
    "gp": _gp,
    "evolution": _evolution,
    "cmaes": _cmaes,
}
GRID = "grid"


def check_algorithm(name: str) -> None:
    """Raise ConfigError where no algorithm can have this name."""
    if ":" not in name and name not in ALGORITHMS and name != GRID:
        raise unknown("algorithm", name, [*ALGORITHMS, GRID, "optuna:NAME", "package.module:function"])


def algorithm(name: str, grid_points: int = GRID_POINTS, seed: int = 0) -> Algorithm:
    """The algorithm with this name; imports what it needs.

    Args:
        grid_points: how many points of each float `grid` tries.
        seed: the study's.

    Raises:
        ConfigError: there is none, or what it needs is not installed.
    """
    check_algorithm(name)
    if name == GRID:
        from mlflow_hpo.algorithms.grid import grid

        return grid(grid_points)
    if name.startswith("optuna:"):
        from mlflow_hpo.algorithms.from_optuna import from_optuna

        return from_optuna(name.removeprefix("optuna:"), seed)
    if ":" in name:
        from mlflow_hpo.algorithms.from_user import from_user

        return from_user(name)
    return ALGORITHMS[name]()
