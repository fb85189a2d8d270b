"""XGBoost's, LightGBM's and CatBoost's estimators: their rounds, and the rows for their own early stopping.

They are told by their module's name; none of the libraries is imported here.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.split import VALIDATION, split
from mlflow_hpo.objectives.sklearn.estimators import SAMPLE_WEIGHT, last_step, taken, targets, weights

NEUTRAL = (None, False, 0, 1, "gbtree", "gbdt")  # values of `draws` with which no round draws at random


@dataclass(frozen=True)
class Library:
    """What the estimators of a library call what is asked of them here.

    Attributes:
        rounds: params that say how many rounds are boosted, the usual name first.
        usual_rounds: the number of rounds without them.
        stops: params that ask for early stopping.
        draws: params by which rounds depend on random numbers, so that only a fit of all can be repeated.
        before: the argument of `fit` for the model to go on from; empty: the rounds always are at random.
        quiet: params that keep it from writing to the terminal and the working folder; the first of a group
            stands for the others.
        seed: names of the param that seeds it, if `get_params` does not show it.
    """

    rounds: tuple[str, ...]
    usual_rounds: int
    stops: tuple[str, ...]
    draws: tuple[str, ...] = ()
    before: str = ""
    quiet: tuple[tuple[tuple[str, ...], Any], ...] = ()
    seed: tuple[str, ...] = ()


LIBRARIES: Mapping[str, Library] = {
    "xgboost": Library(
        rounds=("n_estimators",),
        usual_rounds=100,
        stops=("early_stopping_rounds",),
        draws=(
            *("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode"),
            *("booster", "num_parallel_tree", "callbacks"),
        ),
        before="xgb_model",
    ),
    "lightgbm": Library(
        rounds=("n_estimators", "num_iterations", "num_boost_round", "n_iter", "max_iter"),
        usual_rounds=100,
        stops=("early_stopping_rounds", "early_stopping_round", "early_stopping", "n_iter_no_change"),
        draws=(
            *("subsample", "bagging_fraction", "colsample_bytree", "feature_fraction", "boosting_type"),
            *("feature_fraction_bynode", "extra_trees", "data_sample_strategy", "boosting"),
        ),
        before="init_model",
        quiet=((("verbosity", "verbose"), -1),),
    ),
    "catboost": Library(
        rounds=("iterations", "n_estimators", "num_boost_round", "num_trees"),
        usual_rounds=1000,
        stops=("early_stopping_rounds", "od_wait", "od_type", "od_pval", "use_best_model"),
        quiet=(
            (("verbose", "verbose_eval", "silent", "logging_level"), False),
            (("allow_writing_files",), False),
        ),
        seed=("random_seed", "random_state"),
    ),
}


def library_of(estimator: Any) -> Library | None:
    """Returns the library of an estimator, or of a Pipeline's last step; None if it is none of these."""
    last = last_step(estimator)[1]
    home = next((c for c in type(last).__mro__ if c.__module__.split(".")[0] in LIBRARIES), None)
    if home is None or home.__name__.startswith("XGBRF"):  # a forest has one round
        return None
    return LIBRARIES[home.__module__.split(".")[0]]


def rounds_param(estimator: Any) -> str:
    """Returns the param that says how many rounds a booster boosts; empty if it is no booster."""
    library, (prefix, last) = library_of(estimator), last_step(estimator)
    if library is None:
        return ""
    params = last.get_params()
    return prefix + next((name for name in library.rounds if name in params), library.rounds[0])


def rounds_asked(estimator: Any) -> int:
    """Returns how many rounds a booster boosts, as its params have it."""
    library = library_of(estimator)
    assert library is not None
    return int(estimator.get_params().get(rounds_param(estimator)) or library.usual_rounds)


def all_params(estimator: Any) -> dict[str, Any]:
    """Returns an estimator's params; CatBoost's `get_params` shows only those that were set."""
    params: dict[str, Any] = estimator.get_params()
    library, (prefix, last) = library_of(estimator), last_step(estimator)
    if library is None or not library.seed:
        return params
    arguments = list(inspect.signature(type(last).__init__).parameters)[1:]
    return {prefix + name: None for name in arguments} | params


def prepare(estimator: Any, seed: int | None) -> None:
    """Seeds a booster whose params do not show a seed, and keeps it quiet, unless they say otherwise."""
    library, last = library_of(estimator), last_step(estimator)[1]
    if library is None:
        return
    params = {name for name, value in last.get_params().items() if value is not None}
    seeds = ((library.seed, seed),) if library.seed and seed is not None else ()
    for names, value in (*library.quiet, *seeds):
        if not params & set(names):
            last.set_params(**{names[0]: value})


def stops_early(estimator: Any) -> bool:
    """Tells whether a booster's params ask for its early stopping."""
    library = library_of(estimator)
    return library is not None and bool(_stops(estimator, library))


def repeats(estimator: Any) -> bool:
    """Tells whether a booster that goes on from its rounds equals one that boosts all of them at once."""
    library, params = library_of(estimator), last_step(estimator)[1].get_params()
    if library is None or not library.before or stops_early(estimator):
        return False
    return all(params.get(name) in NEUTRAL for name in library.draws)


def fit(
    estimator: Any,
    data: Data,
    rows: Any = slice(None),
    *,
    before: Any = None,
    watched: bool = False,
    rounds_are_given: bool = False,
    seed: int = 0,
) -> None:
    """Fits any estimator; one that stops early by itself is given the validation rows for that.

    Without validation rows, as in a final training, it finds out on a fifth of the rows how many rounds to
    boost, and boosts so many on all of them.

    Args:
        rows: of the training part.
        before: the same estimator, fitted, to go on from.
        watched: evaluate the rounds on the validation rows even if nothing stops.
        rounds_are_given: without validation rows, boost all rounds.
    """
    from sklearn.base import clone

    x, y = taken(data.train.x, rows), targets(estimator, data, data.train)[rows]
    counts = weights(estimator, data, rows)
    library, stops = library_of(estimator), stops_early(estimator)
    if library is None or not (stops or watched or before is not None):
        estimator.fit(x, y, **counts)
        return
    weight = next(iter(counts.values()), None)
    held_out: Part | None = data.validation if len(data.validation) else None
    if held_out is None and stops:
        if not rounds_are_given:
            found = clone(estimator)
            group, time = (None if v is None else v[rows] for v in (data.train.group, data.train.time))
            _boost(found, library, *split(Part(x, y, weight, group, time), VALIDATION, seed, data.labels))
            estimator.set_params(**{rounds_param(estimator): best_rounds(found)})
        last_step(estimator)[1].set_params(**_stops(estimator, library))
    _boost(estimator, library, Part(x, y, weight), held_out, before)


def _stops(estimator: Any, library: Library) -> dict[str, Any]:
    """Returns the params that ask for early stopping, with the values that they have without it."""
    params = last_step(estimator)[1].get_params()
    without: dict[str, Any] = {name: None for name in library.stops if params.get(name)}
    callbacks = params.get("callbacks") or []
    others = [callback for callback in callbacks if type(callback).__name__ != "EarlyStopping"]
    return without if len(others) == len(callbacks) else without | {"callbacks": others or None}


def _boost(estimator: Any, library: Library, train: Part, held_out: Part | None, before: Any = None) -> None:
    """Fits a booster on rows, having fitted the steps of a Pipeline before it."""
    last, x, held_x = last_step(estimator)[1], train.x, held_out.x if held_out else None
    if hasattr(estimator, "steps") and len(estimator.steps) > 1:
        head = estimator[:-1]
        x = head.fit_transform(x, train.y)
        estimator.steps[:-1] = head.steps
        held_x = head.transform(held_x) if held_out else None
    takes = inspect.signature(last.fit).parameters
    given: dict[str, Any] = {} if train.weights is None else {SAMPLE_WEIGHT: train.weights}
    if held_out:
        given |= _evaluated(takes, held_x, held_out)
    if "use_best_model" in takes and not stops_early(estimator):
        given["use_best_model"] = False  # CatBoost's default, where rows are evaluated, would drop rounds
    if "xgb_model" in takes:
        given["verbose"] = False
    if before is not None:
        given[library.before] = last_step(before)[1]
    last.fit(x, train.y, **given)


def _evaluated(takes: Mapping[str, Any], x: Any, part: Part) -> dict[str, Any]:
    """Returns the arguments of `fit` for the rows that rounds are evaluated on."""
    if "use_best_model" in takes:
        return {"eval_set": (x, part.y)}
    pair = {"eval_X": (x,), "eval_y": (part.y,)} if "eval_X" in takes else {"eval_set": [(x, part.y)]}
    names = ("sample_weight_eval_set", "eval_sample_weight")
    counted = {name: [part.weights] for name in names if name in takes and part.weights is not None}
    return pair | counted


def curves(estimator: Any) -> dict[str, list[float]]:
    """Returns what a fitted booster measured on the rows that it evaluated, round by round; or nothing."""
    last = last_step(estimator)[1]
    for name in ("evals_result_", "evals_result", "get_evals_result"):
        results = getattr(last, name, None)
        if results is not None:
            break
    try:
        results = results() if callable(results) else results
    except Exception:  # XGBoost's, if it evaluated nothing
        return {}
    return dict(next((values for part, values in (results or {}).items() if part != "learn"), {}))


def rounds_boosted(estimator: Any, asked: int) -> int:
    """Returns how many rounds a fitted booster boosted of those that were asked for."""
    lengths = [len(values) for values in curves(estimator).values()]
    return lengths[0] if lengths and stops_early(estimator) else asked


def best_rounds(estimator: Any) -> int:
    """Returns the number of rounds that a booster predicts with, having stopped early."""
    last = last_step(estimator)[1]
    if hasattr(last, "tree_count_"):  # CatBoost's
        return max(1, int(last.tree_count_))
    if hasattr(last, "best_iteration_"):  # LightGBM's
        return max(1, int(last.best_iteration_ or last.n_iter_))
    return int(last.best_iteration) + 1
