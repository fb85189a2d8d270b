"""Searches with any of Optuna's samplers, as `optuna:NAME` (the extra `optuna`).

A sampler that looks only at the trials is shown them. A sampler with a state (CMA-ES, genetic algorithms,
quasi-random sequences) is asked for each trial once more, in order, which rebuilds the state.
"""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, at_random, foreign, seeded
from mlflow_hpo.errors import ConfigError, unknown, worded
from mlflow_hpo.space import Choice, Searched, Space

PREFIX = "optuna:"
STATEFUL = ("BaseGASampler", "CmaEsSampler", "QMCSampler")
SEVERAL = ("TPESampler", "BaseGASampler", "GPSampler", "RandomSampler", "QMCSampler")  # take several metrics
VIOLATION, CONSTRAINTS = "violation", "constraints"  # attributes of a trial: ours, and Optuna's own
SEQUENCES = ("QMCSampler",)  # one seed makes one sequence
TRIED = 12  # trials with which a sampler is tested: it may draw the first ones at random


def from_optuna(name: str, study_seed: int) -> Algorithm:
    """Returns the sampler whose class has this name, with or without `Sampler` at its end.

    Raises:
        ConfigError: there is none, it needs arguments, or Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise ConfigError(f"algorithm '{PREFIX}{name}' needs optuna: pip install 'mlflow-hpo[optuna]'")
    kind = _samplers().get(name) or _samplers().get(f"{name}Sampler")
    if kind is None:
        raise unknown("sampler of Optuna's", name, _samplers())
    stateful, sequence, several = (
        any(base.__name__ in names for base in kind.__mro__) for names in (STATEFUL, SEQUENCES, SEVERAL)
    )

    def choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
        seed = int(rng.integers(2**31))
        sampler = _sampler(kind, study_seed % 2**31 if sequence else seed, seed, _broken(trials))
        study = _study(sampler, space, trials, stateful)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _ask(study, space)

    def check(space: Space) -> None:
        """Tests it with some trials: only then a missing library or a refused space shows."""
        rng = np.random.default_rng(0)
        trials = [Point(number, at_random(space, rng), float(number)) for number in range(TRIED)]
        try:
            choose(space, trials, TRIED, rng)
        except Exception as error:
            raise ConfigError(f"algorithm '{PREFIX}{name}' cannot be used here: {worded(error)}") from error

    return Algorithm(foreign(f"{PREFIX}{name}", seeded(choose)), check, counting=stateful, several=several)


def _samplers() -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {n: getattr(optuna.samplers, n) for n in optuna.samplers.__all__ if n.endswith("Sampler")}
    return {n: kind for n, kind in kinds.items() if n != "BaseSampler" and not _needs_arguments(kind)}


def _needs_arguments(kind: Any) -> bool:
    parameters = inspect.signature(kind).parameters.values()
    return any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)


def _broken(trials: Sequence[Point]) -> dict[str, Any]:
    """Returns the argument by which a sampler knows what breaks constraints, if anything does."""
    if not any(point.violation for point in trials):
        return {}
    return {"constraints_func": lambda trial: (trial.user_attrs[VIOLATION],)}


def _sampler(kind: Any, seed: int, proposal_seed: int, more: Mapping[str, Any]) -> Any:
    """Returns the sampler; `proposal_seed` is for draws that the sampler leaves to another one."""
    import optuna

    parameters = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {
        "seed": seed,
        "scramble": True,
        "constant_liar": True,
        "warn_independent_sampling": False,
    }
    arguments |= more
    arguments["independent_sampler"] = optuna.samplers.RandomSampler(proposal_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls many of its arguments experimental
        return kind(**{k: v for k, v in arguments.items() if k in parameters})


def _study(sampler: Any, space: Space, trials: Sequence[Point], replay: bool) -> Any:
    import optuna

    several = max((len(point.losses) for point in trials), default=0)
    study = optuna.create_study(sampler=sampler, directions=["minimize"] * max(several, 1))
    for point in (p for p in trials if not several or p.losses or p.loss is None):
        if replay:
            _replay(study, space, point)
        else:
            study.add_trial(_frozen(space, point))
    return study


def _replay(study: Any, space: Space, point: Point) -> None:
    study.enqueue_trial(dict(point.raws))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trial = study.ask()
        _ = trial.relative_params  # asks the sampler, which would not happen if all values are given
        space.walk(lambda label, parameter: _suggest(trial, label, parameter))
    trial.set_user_attr(VIOLATION, point.violation)
    if point.loss is not None:
        study.tell(trial, list(point.losses) or point.loss)


def _frozen(space: Space, point: Point) -> Any:
    from optuna.trial import TrialState, create_trial

    state = TrialState.RUNNING if point.loss is None else TrialState.COMPLETE
    leaves = space.leaves
    return create_trial(
        state=state,
        params=dict(point.raws),
        system_attrs={CONSTRAINTS: (point.violation,)},
        distributions={label: _distribution(leaves[label]) for label in point.raws},
        values=None if point.loss is None else list(point.losses) or [point.loss],
    )


def _ask(study: Any, space: Space) -> dict[str, Any]:
    trial = study.ask()
    return space.walk(lambda label, parameter: _suggest(trial, label, parameter))


def _suggest(trial: Any, label: str, parameter: Searched) -> Any:
    raw = trial._suggest(label, _distribution(parameter))
    return int(raw) if isinstance(parameter, Choice) else float(raw)


def _distribution(parameter: Searched) -> Any:
    """Returns the distribution of the raw values, which are indices, or whole numbers on a log scale."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Choice):
        return CategoricalDistribution(tuple(range(len(parameter.options))))
    if parameter.whole is None:
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return IntDistribution(*parameter.whole, log=parameter.log)
