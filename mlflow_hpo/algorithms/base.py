"""Defines what an algorithm is, with Hyperopt's suggest interface, and helps our own to have it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_hpo.errors import StudyError, worded
from mlflow_hpo.space import Searched, Space

Suggest = Callable[..., list[dict[str, Any]]]  # suggest(new_ids, domain, trials, seed)
Raws = Mapping[str, Any]  # label -> raw value, of the active labels


def _anything(space: Space) -> None:
    """Accepts every space."""


@dataclass(frozen=True)
class Algorithm:
    """Proposes configs.

    Attributes:
        suggest: returns a proposal, or an empty list if there is nothing left to propose.
        check: raises ConfigError if the algorithm cannot search a space.
        most: how many ended trials it looks at; None: all. The best are kept, and others evenly.
        counting: whether it counts the trials to know how far it got, and must see even useless ones.
    """

    suggest: Suggest
    check: Callable[[Space], None] = _anything
    most: int | None = None
    counting: bool = False


@dataclass(frozen=True)
class Point:
    """Describes a trial to our own algorithms.

    Attributes:
        loss: None while it runs.
        beaten: whether it failed or stopped below the rung, so that its loss is only a rank.
    """

    number: int
    raws: Raws
    loss: float | None
    beaten: bool = False


Choose = Callable[[Space, Sequence[Point], int, np.random.Generator], Raws | None]


def suggest_by(choose: Choose) -> Suggest:
    """Returns a suggest function that asks `choose(space, points, number, rng)` for raw values."""

    def suggest(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        space: Space = domain.space
        raws = choose(space, points(trials), new_ids[0], np.random.default_rng(seed))
        return [] if raws is None else documents(new_ids, domain, trials, space.vals(raws))

    return suggest


def foreign(name: str, suggest: Suggest) -> Suggest:
    """Returns somebody else's suggest function with errors in one line that names the algorithm."""

    def suggest_or_fail(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        try:
            answer = list(suggest(new_ids, domain, trials, seed) or ())  # it may return None
            for document in answer:
                domain.space.decode(document["misc"]["vals"])
        except Exception as error:
            raise StudyError(f"algorithm {name!r} failed: {worded(error)}") from error
        return answer

    return suggest_or_fail


def points(trials: Any) -> list[Point]:
    """Returns the trials of a Hyperopt history, by number."""
    unsorted = [
        Point(
            doc["tid"],
            {label: drawn[0] for label, drawn in doc["misc"]["vals"].items() if drawn},
            doc["result"].get("loss"),
            doc["result"].get("beaten", False),
        )
        for doc in trials.trials
    ]
    return sorted(unsorted, key=lambda point: point.number)


def documents(new_ids: list[int], domain: Any, trials: Any, vals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns Hyperopt's answer to a request for one trial."""
    number = new_ids[0]
    idxs = {label: [number] if drawn else [] for label, drawn in vals.items()}
    misc = {"tid": number, "cmd": domain.cmd, "workdir": domain.workdir, "idxs": idxs, "vals": dict(vals)}
    return list(trials.new_trial_docs([number], [None], [domain.new_result()], [misc]))


def at_random(space: Space, rng: np.random.Generator) -> Raws:
    """Returns raw values drawn from the space."""

    def pick(label: str, parameter: Searched) -> Any:
        return parameter.from_unit(rng.random())

    return space.walk(pick)
