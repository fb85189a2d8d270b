"""Search algorithms: functions that propose from all trials, and `propose`, which asks one."""

from collections.abc import Mapping
from importlib import import_module

from mlflow_hpo.algorithms.asked import propose_asked
from mlflow_hpo.algorithms.auto import AUTO, explained
from mlflow_hpo.algorithms.base import Algorithm, Choose, Point, Raws, seeded
from mlflow_hpo.algorithms.counts import observed_at, standing
from mlflow_hpo.algorithms.grid import grid_size, is_on_grid
from mlflow_hpo.algorithms.propose import propose
from mlflow_hpo.algorithms.warm_start import warm_trials, watched
from mlflow_hpo.errors import unknown
from mlflow_hpo.vocabulary import algorithm_hint

__all__ = [
    "ALGORITHMS",
    "AUTO",
    "GRID",
    "GRID_POINTS",
    "Algorithm",
    "Choose",
    "Point",
    "Raws",
    "algorithm",
    "check_algorithm",
    "explained",
    "grid_size",
    "is_on_grid",
    "observed_at",
    "propose",
    "propose_asked",
    "seeded",
    "standing",
    "warm_trials",
    "watched",
]

GRID = "grid"
GRID_POINTS = 5

# name -> module and function; imported when the algorithm is chosen
ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "auto": ("auto", "auto"),
    "tpe": ("hyperopt", "tpe"),
    "random": ("hyperopt", "random"),
    "anneal": ("hyperopt", "anneal"),
    "gp": ("gp", "gp"),
    "evolution": ("evolution", "evolution"),
    "cmaes": ("cmaes", "cma"),
    "nsga2": ("evolution", "nsga2"),
}


def check_algorithm(name: str) -> None:
    """Raises ConfigError if no algorithm can have this name."""
    if ":" not in name and name not in ALGORITHMS and name != GRID:
        known = [*ALGORITHMS, GRID, "optuna:NAME", "package.module:function"]
        raise unknown("algorithm", name, known, algorithm_hint(name))


def algorithm(name: str, grid_points: int = GRID_POINTS, seed: int = 0) -> Algorithm:
    """Returns the algorithm with this name; imports what it needs.

    Args:
        grid_points: how many points of each float `grid` tries.
        seed: the study's.

    Raises:
        ConfigError: there is none, or a library that it needs is not installed.
    """
    check_algorithm(name)
    if name == GRID:
        from mlflow_hpo.algorithms.grid import grid

        return grid(grid_points)
    if name.startswith("optuna:"):
        from mlflow_hpo.algorithms.optuna import from_optuna

        return from_optuna(name.removeprefix("optuna:"), seed)
    if ":" in name:
        from mlflow_hpo.algorithms.user import from_user

        return from_user(name)
    module, function = ALGORITHMS[name]
    found: Algorithm = getattr(import_module(f"{__name__}.{module}"), function)()
    return found
