"""Any of Optuna's samplers, as `optuna:NAME` (the extra `optuna`).

A sampler that looks at the trials alone is shown them; one that keeps a state of its own (CMA-ES, the
genetic ones, quasi-random sequences) is asked for each of them again, in order, which rebuilds it.
"""

import inspect
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, at_random, foreign, suggest_by
from mlflow_hpo.errors import ConfigError, unknown, worded
from mlflow_hpo.space import Choice, Searched, Space

PREFIX = "optuna:"
STATEFUL = ("BaseGASampler", "CmaEsSampler", "QMCSampler")
SEQUENCES = ("QMCSampler",)  # one seed makes one sequence
TRIED = 12  # trials with which a sampler is tried: its first ones may be drawn at random


def from_optuna(name: str, study_seed: int) -> Algorithm:
    """The sampler with this name: its class, or the class without `Sampler`.

    Raises:
        ConfigError: there is none, it needs arguments, or Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise ConfigError(f"algorithm '{PREFIX}{name}' needs optuna: pip install 'mlflow-hpo[optuna]'")
    kind = _samplers().get(name) or _samplers().get(f"{name}Sampler")
    if kind is None:
        raise unknown("sampler of Optuna's", name, _samplers())
    stateful, sequence = (
        any(base.__name__ in names for base in kind.__mro__) for names in (STATEFUL, SEQUENCES)
    )

    def choose(space: Space, known: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
        seed = int(rng.integers(2**31))
        study = _study(_made(kind, study_seed % 2**31 if sequence else seed, seed), space, known, stateful)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _asked(study, space)

    def check(space: Space) -> None:
        """Try it with some trials: what a sampler lacks, or a space it cannot search, shows only then."""
        rng = np.random.default_rng(0)
        known = [Point(number, at_random(space, rng), float(number)) for number in range(TRIED)]
        try:
            choose(space, known, TRIED, rng)
        except Exception as error:
            raise ConfigError(f"algorithm '{PREFIX}{name}' cannot be used here: {worded(error)}") from error

    return Algorithm(foreign(f"{PREFIX}{name}", suggest_by(choose)), check, counting=stateful)


def _samplers() -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = {n: getattr(optuna.samplers, n) for n in optuna.samplers.__all__ if n.endswith("Sampler")}
    return {n: kind for n, kind in found.items() if n != "BaseSampler" and not _needs(kind)}


def _needs(kind: Any) -> list[str]:
    parameters = list(inspect.signature(kind).parameters.values())
    return [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def _made(kind: Any, seed: int, own_seed: int) -> Any:
    """The sampler; `own_seed`: of this proposal, for what the sampler itself does not cover."""
    import optuna

    known = inspect.signature(kind).parameters
    wanted = {"seed": seed, "scramble": True, "constant_liar": True, "warn_independent_sampling": False}
    wanted["independent_sampler"] = optuna.samplers.RandomSampler(own_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # much of Optuna is experimental by its own word
        return kind(**{k: v for k, v in wanted.items() if k in known})


def _study(sampler: Any, space: Space, known: Sequence[Point], replay: bool) -> Any:
    import optuna

    study = optuna.create_study(sampler=sampler)
    for point in known:
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
        _ = trial.relative_params  # asks the sampler, which a trial whose values are all given would not
        space.walk(lambda label, parameter: _suggested(trial, label, parameter))
    if point.loss is not None:
        study.tell(trial, point.loss)


def _frozen(space: Space, point: Point) -> Any:
    from optuna.trial import TrialState, create_trial

    state = TrialState.RUNNING if point.loss is None else TrialState.COMPLETE
    leaves = space.leaves
    return create_trial(
        state=state,
        params=dict(point.raws),
        distributions={label: _distribution(leaves[label]) for label in point.raws},
        value=point.loss,
    )


def _asked(study: Any, space: Space) -> dict[str, Any]:
    trial = study.ask()
    return space.walk(lambda label, parameter: _suggested(trial, label, parameter))


def _suggested(trial: Any, label: str, parameter: Searched) -> Any:
    raw = trial._suggest(label, _distribution(parameter))
    return int(raw) if isinstance(parameter, Choice) else float(raw)


def _distribution(parameter: Searched) -> Any:
    """Of the raw values, in which whole numbers are indices (or themselves, on a log scale)."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Choice):
        return CategoricalDistribution(tuple(range(len(parameter.options))))
    if parameter.whole is None:
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    return IntDistribution(*parameter.whole, log=parameter.log)
