"""Proposes configs to an objective that asks for its hyperparameters as it runs."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlflow_hpo.algorithms.base import Algorithm
from mlflow_hpo.algorithms.propose import ATTEMPTS, propose
from mlflow_hpo.space import Space, asked_space, drawn, same
from mlflow_hpo.trial import Config, State, Trial, derived_seed


def propose_asked(algorithm: Algorithm, trials: Iterable[Trial], number: int, seed: int) -> Config | None:
    """Returns values for all that trials have asked for so far: a pure function of the arguments.

    The objective takes those that it asks for; what no trial has asked for is drawn as it asks. Where a trial
    did not ask for a hyperparameter, as it took another branch, the algorithm sees a value at random.

    Args:
        trials: as for `propose`.

    Returns:
        None if the algorithm has nothing left to propose, or trials have ended and none asked for anything.
    """
    earlier = sorted((t for t in trials if t.number < number), key=lambda t: t.number)
    space = asked_space(t.asked for t in earlier)
    if not space.leaves:
        return None if any(t.state is State.FINISHED for t in earlier) else {}
    algorithm.check(space)
    whole = [replace(t, config=_whole(t, space, seed)) for t in earlier]
    config: Config | None = None
    for attempt in range(ATTEMPTS):
        config = propose(algorithm, space, whole, number, derived_seed(seed, attempt) if attempt else seed)
        if config is None or not _was_tried(config, earlier):
            break
    return config


def _whole(trial: Trial, space: Space, seed: int) -> Config:
    """Returns a trial's config with a value for each hyperparameter of the space."""
    own = derived_seed(seed, abs(trial.number))
    return {
        name: trial.config[name] if name in trial.config else drawn(name, parameter, own)
        for name, parameter in space.parameters.items()
    }


def _was_tried(config: Config, trials: Sequence[Trial]) -> bool:
    """Tells whether a trial had these values of all that it asked for: the objective would do the same."""
    return any(
        t.config and all(name in config and same(config[name], value) for name, value in t.config.items())
        for t in trials
    )
