"""Takes the algorithm that was best for such a space after so many trials, in benchmarks/public.py."""

from collections.abc import Sequence

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws
from mlflow_hpo.space import Choice, Space

AUTO = "auto"
FIRST = "gp"
MODEL_TRIALS = 300  # from then on a model of at most so many trials misses much of what there is
FEWEST_NUMBERS = 2  # for cmaes


def auto() -> Algorithm:
    """Asks the algorithm that `stages` names for the trial's number: a resume takes the same."""
    from mlflow_hpo.algorithms import algorithm

    known = {FIRST: algorithm(FIRST)}  # imported while workers start

    def stage(space: Space, number: int) -> Algorithm:
        name = max(begun for begun in stages(space) if begun[0] <= number)[1]
        if name not in known:
            known[name] = algorithm(name)
        return known[name]

    def choose(space: Space, points: Sequence[Point], number: int, seed: int) -> Raws | None:
        return stage(space, number).choose(space, points, number, seed)

    return Algorithm(choose, stage=stage)


def stages(space: Space) -> list[tuple[int, str]]:
    """Returns which algorithm proposes from which trial on: a function of the space alone."""
    return [(0, FIRST), (MODEL_TRIALS, "cmaes" if _is_for_cmaes(space) else "evolution")]


def explained(space: Space, trials: int) -> str:
    """Says which algorithms propose in a study of so many trials, and why."""
    (_, first), (begin, later) = stages(space)
    count = len(space.leaves)
    named = f"{count} hyperparameter{'' if count == 1 else 's'}"
    text = f"algorithm auto: {first}, as with {named} a model finds most in up to {begin} trials"
    if trials <= begin:
        return text
    why = "there are only numbers" if later == "cmaes" else "there are choices"
    return f"{text}; from trial {begin} on {later}, as {why}"


def _is_for_cmaes(space: Space) -> bool:
    return len(space.leaves) >= FEWEST_NUMBERS and not any(
        isinstance(parameter, Choice) for parameter in space.leaves.values()
    )
