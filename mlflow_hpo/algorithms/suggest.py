"""Asks functions with Hyperopt's interface, `suggest(new_ids, domain, trials, seed)`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlflow_hpo.algorithms.base import Choose, Point, Raws
from mlflow_hpo.space import Choice, Fixed, Space
from mlflow_hpo.trial import derived_seed

Suggest = Callable[..., list[dict[str, Any]]]


def whole(suggest: Suggest) -> Choose:
    """Returns a function that asks once for the whole space, as `hyperopt.fmin` does."""

    def choose(space: Space, points: Sequence[Point], number: int, seed: int) -> Raws | None:
        labels = {label: label for label in space.leaves}
        answer = suggest([number], space.domain, _history(points, labels), seed)
        if not (answer := list(answer or ())):
            return None
        return {label: drawn[0] for label, drawn in answer[0]["misc"]["vals"].items() if len(drawn)}

    return choose


def by_level(suggest: Suggest) -> Choose:
    """Returns a function that asks for what is always active, then for what lies below the options drawn.

    It is for algorithms that treat each hyperparameter alone: what they propose is what they would for the
    whole space, where each option that is not taken would cost time.
    """

    def choose(space: Space, points: Sequence[Point], number: int, seed: int) -> Raws:
        return _level(suggest, space, "", points, number, seed)

    return choose


def _level(
    suggest: Suggest, space: Space, prefix: str, points: Sequence[Point], number: int, seed: int
) -> dict[str, Any]:
    searched = {k: p for k, p in space.parameters.items() if not isinstance(p, Fixed)}
    if not searched:
        return {}
    known = _history(points, {prefix + name: name for name in searched})
    drawn = suggest([number], space.level, known, seed)[0]["misc"]["vals"]
    raws = {prefix + name: drawn[name][0] for name in searched}
    for place, (name, parameter) in enumerate(searched.items()):
        index = int(raws[prefix + name])
        if isinstance(parameter, Choice) and (below := parameter.options[index].space):
            inner = f"{prefix}{name}|{index}|"
            raws |= _level(suggest, below, inner, points, number, derived_seed(seed, place))
    return raws


def _history(points: Sequence[Point], labels: Mapping[str, str]) -> Any:
    """Returns Hyperopt's `Trials` with these trials.

    Args:
        labels: of the space, with the names that they have for Hyperopt.
    """
    from hyperopt import trials_from_docs

    return trials_from_docs([_document(point, labels) for point in points], validate=False)


def _document(point: Point, labels: Mapping[str, str]) -> dict[str, Any]:
    vals = {name: [point.raws[label]] if label in point.raws else [] for label, name in labels.items()}
    idxs = {name: [point.number] if drawn else [] for name, drawn in vals.items()}
    misc = {"tid": point.number, "cmd": None, "workdir": None, "vals": vals, "idxs": idxs}
    fields = {"tid": point.number, "spec": None, "misc": misc, "exp_key": None, "owner": None, "version": 0}
    return fields | {"book_time": None, "refresh_time": None} | _outcome(point)


def _outcome(point: Point) -> dict[str, Any]:
    from hyperopt import base

    if point.loss is None:
        return {"state": base.JOB_STATE_RUNNING, "result": {"status": base.STATUS_RUNNING}}
    result = {"status": base.STATUS_OK, "loss": point.loss, "beaten": point.beaten}
    return {"state": base.JOB_STATE_DONE, "result": result}
