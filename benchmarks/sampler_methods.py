"""The ways to search that `samplers.py` compares: every algorithm here, and its peers used directly.

Run by `python benchmarks/samplers.py --only tpe "optuna tpe"`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlflow_hpo.algorithms import ALGORITHMS, algorithm, propose
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import Choice, Fixed, Float, Parameter, Space
from mlflow_hpo.trial import Config, State, Trial

Evaluate = Callable[[Config], float]
Search = Callable[[Space, Evaluate, int, int], None]  # evaluates so many configs, given a seed


def ours(name: str, space: Space, evaluate: Evaluate, evaluations: int, seed: int) -> None:
    chosen, trials = algorithm(name, seed=seed), list[Trial]()
    for number in range(evaluations):
        config = propose(chosen, space, trials, number, seed)
        assert config is not None, f"{name} has nothing left to propose"
        trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: evaluate(config)}}))


def hyperopt_tpe(space: Space, evaluate: Evaluate, evaluations: int, seed: int) -> None:
    """Hyperopt's `fmin` with its own defaults."""
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


def optuna_sampler(name: str, space: Space, evaluate: Evaluate, evaluations: int, seed: int) -> None:
    """One of Optuna's samplers with its own defaults, by its own `optimize`."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=getattr(optuna.samplers, name)(seed=seed))
    study.optimize(lambda trial: evaluate(defined_by_run(trial, space)), n_trials=evaluations)


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
}


def applies(method: str, space: Space) -> bool:
    if method not in ALGORITHMS:
        return True  # a peer takes every space
    try:
        algorithm(method).check(space)
    except ConfigError:
        return False
    return True
