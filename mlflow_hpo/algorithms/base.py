"""What an algorithm is: a function with Hyperopt's suggest interface; and how our own become one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_hpo.errors import StudyError, worded
from mlflow_hpo.space import Searched, Space

Suggest = Callable[..., list[dict[str, Any]]]  # suggest(new_ids, domain, trials, seed)
Raws = Mapping[str, Any]  # label -> raw value, of the active labels


def _anything(space: Space) -> None:
    """An algorithm that takes every space."""


@dataclass(frozen=True)
class Algorithm:
    """A search algorithm.

    Attributes:
        suggest: proposes; an empty list means that there is nothing left to propose.
        check: raises ConfigError where it cannot search a space.
        most: the most ended trials that it looks at; None for all. The best are kept, and others evenly.
        counting: whether it tells by the trials how far it got, and must see those that teach nothing.
    """

    suggest: Suggest
    check: Callable[[Space], None] = _anything
    most: int | None = None
    counting: bool = False


@dataclass(frozen=True)
class Point:
    """A trial as our own algorithms see it.

    Attributes:
        loss: None while it runs.
        beaten: it failed, or stopped below the rung: its loss says only that it is worse than the others.
    """

    number: int
    raws: Raws
    loss: float | None
    beaten: bool = False


Choose = Callable[[Space, Sequence[Point], int, np.random.Generator], Raws | None]


def suggest_by(choose: Choose) -> Suggest:
    """A suggest function from `choose(space, points, number, rng)`, which gives raw values or None."""

    def suggest(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        space: Space = domain.space
        raws = choose(space, points(trials), new_ids[0], np.random.default_rng(seed))
        return [] if raws is None else documents(new_ids, domain, trials, space.vals(raws))

    return suggest


def foreign(name: str, suggest: Suggest) -> Suggest:
    """Somebody else's suggest function: what goes wrong in it is one line that names the algorithm."""

    def asked(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        try:
            answer = list(suggest(new_ids, domain, trials, seed) or ())  # None, too, is nothing
            for document in answer:
                domain.space.decode(document["misc"]["vals"])
        except Exception as error:
            raise StudyError(f"algorithm {name!r} failed: {worded(error)}") from error
        return answer

    return asked


def points(trials: Any) -> list[Point]:
    """The trials of a Hyperopt history, by number."""
    found = [
        Point(
            doc["tid"],
            {label: drawn[0] for label, drawn in doc["misc"]["vals"].items() if drawn},
            doc["result"].get("loss"),
            doc["result"].get("beaten", False),
        )
        for doc in trials.trials
    ]
    return sorted(found, key=lambda point: point.number)


def documents(new_ids: list[int], domain: Any, trials: Any, vals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hyperopt's answer to a request for one trial."""
    number = new_ids[0]
    idxs = {label: [number] if drawn else [] for label, drawn in vals.items()}
    misc = {"tid": number, "cmd": domain.cmd, "workdir": domain.workdir, "idxs": idxs, "vals": dict(vals)}
    return list(trials.new_trial_docs([number], [None], [domain.new_result()], [misc]))


def at_random(space: Space, rng: np.random.Generator) -> Raws:
    """A draw from the space."""

    def pick(label: str, parameter: Searched) -> Any:
        return parameter.from_unit(rng.random())

    return space.walk(pick)
