"""The ways to search that `samplers.py` compares: every algorithm here, and its peers used directly.

Run by `python benchmarks/samplers.py --only tpe "optuna tpe"`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from mlflow_hpo.algorithms import ALGORITHMS, algorithm, propose
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import Choice, Fixed, Float, Parameter, Space
from mlflow_hpo.trial import Config, State, Trial

Evaluate = Callable[[Config], float]
Search = Callable[[Space, Evaluate, int, int, int], None]  # evaluates so many, given a seed, so many at once


def ours(name: str, space: Space, evaluate: Evaluate, evaluations: int, seed: int, at_once: int = 1) -> None:
    """One of ours, from the middle of the space on, as a study without a better baseline begins.

    Of those that run at once, the one that began first ends first.
    """
    chosen, trials = algorithm(name, seed=seed), list[Trial]()
    for number in range(evaluations + at_once):
        if number >= at_once:
            ended = trials[number - at_once]
            results = {"loss": {1: evaluate(ended.config)}}
            trials[number - at_once] = replace(ended, state=State.FINISHED, results=results)
        if number < evaluations:
            config = propose(chosen, space, trials, number, seed) if number else space.completed({}, {})
            assert config is not None, f"{name} has nothing left to propose"
            trials.append(Trial(number, "", State.RUNNING, config))


def hyperopt_tpe(space: Space, evaluate: Evaluate, evaluations: int, seed: int, at_once: int = 1) -> None:
    """Hyperopt's `fmin` with its own defaults, which runs one at a time."""
    import hyperopt

    def objective(expr: Any, memo: Any, ctrl: Any) -> float:
        return evaluate(space.decode(ctrl.current_trial["misc"]["vals"]))

    hyperopt.fmin(
        objective,
        space.expression(),
        algo=partial(hyperopt.tpe.suggest, verbose=False),
        max_evals=evaluations,
        rstate=np.random.default_rng(seed),
        pass_expr_memo_ctrl=True,
        show_progressbar=False,
        verbose=False,
    )


def optuna_sampler(
    name: str, space: Space, evaluate: Evaluate, evaluations: int, seed: int, at_once: int = 1
) -> None:
    """One of Optuna's samplers with its own defaults, asked and told as its `optimize` does."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, begun = optuna.create_study(sampler=getattr(optuna.samplers, name)(seed=seed)), list[Any]()
    for number in range(evaluations + at_once):
        if number >= at_once:
            trial, config = begun[number - at_once]
            study.tell(trial, evaluate(config))
        if number < evaluations:
            trial = study.ask()
            begun.append((trial, defined_by_run(trial, space)))


def pycma(space: Space, evaluate: Evaluate, evaluations: int, seed: int, at_once: int = 1) -> None:
    """Hansen's own CMA-ES with its own defaults, on numbers from 0 to 1; whole generations are told."""
    from cma import CMAEvolutionStrategy

    options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9}
    engine, left = CMAEvolutionStrategy([0.5] * len(space.leaves), 0.25, options), evaluations
    while left > 0:
        asked = engine.ask()[:left]
        left -= len(asked)
        losses = [evaluate(space.config(_raws(space, position))) for position in asked]
        if len(losses) > 1 and left > 0:
            engine.tell(asked, losses)


def _raws(space: Space, position: Any) -> dict[str, Any]:
    return {k: p.from_unit(float(x)) for (k, p), x in zip(space.leaves.items(), position, strict=True)}


def defined_by_run(trial: Any, space: Space, prefix: str = "") -> dict[str, Any]:
    """The config that Optuna suggests, in the way its users write a space."""
    config: dict[str, Any] = {}
    for name, parameter in space.parameters.items():
        config[name] = _suggested(trial, prefix + name, parameter)
        if isinstance(parameter, Choice):
            below = parameter.options[parameter.encode(config[name]) or 0].space
            config |= defined_by_run(trial, below, f"{prefix}{name}.{config[name]}.") if below else {}
    return config


def _suggested(trial: Any, label: str, parameter: Parameter) -> Any:
    if isinstance(parameter, Fixed):
        return parameter.value
    if isinstance(parameter, Choice):
        return trial.suggest_categorical(label, [option.value for option in parameter.options])
    if isinstance(parameter, Float):
        return trial.suggest_float(label, parameter.low, parameter.high, log=parameter.log)
    return trial.suggest_int(label, parameter.low, parameter.high, step=parameter.step, log=parameter.log)


METHODS: Mapping[str, Search] = {
    **{name: partial(ours, name) for name in ALGORITHMS},
    "hyperopt tpe": hyperopt_tpe,
    "optuna tpe": partial(optuna_sampler, "TPESampler"),
    "optuna cmaes": partial(optuna_sampler, "CmaEsSampler"),
    "optuna gp": partial(optuna_sampler, "GPSampler"),
    "pycma": pycma,
}
ONE_AT_A_TIME = ("hyperopt tpe",)
NUMBERS_ONLY = ("pycma",)
NEEDS = {"optuna gp": "torch", "pycma": "cma"}  # what is not installed cannot be compared


def applies(method: str, space: Space) -> bool:
    if find_spec(NEEDS.get(method, "numpy")) is None:
        return False
    if method in NUMBERS_ONLY:
        return len(space.leaves) > 1 and not any(isinstance(p, Choice) for p in space.leaves.values())
    if method not in ALGORITHMS:
        return True  # a peer takes every space
    try:
        algorithm(method).check(space)
    except ConfigError:
        return False
    return True
