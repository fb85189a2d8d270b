"""Ranks trials, of one study or of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from mlflow_hpo.report import summary
from mlflow_hpo.report.order import Aim, places
from mlflow_hpo.settings import Settings
from mlflow_hpo.trial import State, Trial

FRONT = "front"


@dataclass(frozen=True)
class Entry:
    """A trial in a ranking.

    Attributes:
        value, gain: the metric of its study, and by how much it is better than that study's baseline.
        metrics: every metric of its run, the last value of each.
    """

    trial: Trial
    value: float | None
    gain: float | None
    study: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """How a ranking is ordered, and what it shows.

    Attributes:
        metric: the heading of the studies' own metric.
        aims: the metrics that it is ordered by: one; two, by dominance; none, by the studies' own.
        several: whether the trials are of several studies.
    """

    metric: str
    maximize: bool
    aims: tuple[Aim, ...] = ()
    several: bool = False

    def places(self, entries: Sequence[Entry]) -> list[tuple[float, ...] | None]:
        """What each trial is sorted by; None for those that have no place."""
        if not self.aims:
            own = Aim("", self.maximize)
            known = [{} if e.value is None else {"": e.value} for e in entries]
            found = places([own], known)
        else:
            found = places(self.aims, [e.metrics for e in entries])
        return [None if e.trial.state is State.FAILED else p for e, p in zip(entries, found, strict=True)]


def rank(settings: Settings, trials: Sequence[Trial], top: int | None = None) -> pd.DataFrame:
    """The trials of a study, best first; those without a loss last, by number.

    Returns:
        See `ranked`.
    """
    frame = ranked(entries(settings, trials), Order(settings.metric, settings.maximize))
    return frame.head(top) if top else frame


def entries(
    settings: Settings,
    trials: Sequence[Trial],
    baseline: Trial | None = None,
    study: str = "",
    metrics: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Entry]:
    """A study's trials as they are ranked.

    Args:
        baseline: what gains are measured against; None: it is among the trials, or there is none.
        metrics: those of each trial, by its run.
    """
    first = baseline or summary.baseline(trials)
    known, given = metrics or {}, [first] if first else []
    return [
        Entry(
            t,
            summary.value(settings, t),
            summary.gain(settings, t, given),
            study,
            known.get(t.run_id, {}),
        )
        for t in trials
    ]


def ranked(found: Sequence[Entry], order: Order) -> pd.DataFrame:
    """Trials, best first; those without a place last, as they came.

    Returns:
        Columns rank (empty where there is no place), front (of two aims), study (of several), trial, the
        metric, gain (over the baseline, positive is better), the aims, epochs, seconds, status, then the
        hyperparameters and run_id.
    """
    keys = order.places(found)
    placed = [i for i, key in enumerate(keys) if key is not None]
    placed.sort(key=lambda i: (keys[i], found[i].trial.number))
    rest = [i for i, key in enumerate(keys) if key is None]
    rows = [_row(found[i], place, keys[i], order) for place, i in enumerate(placed, 1)]
    rows += [_row(found[i], None, None, order) for i in rest]
    names = list(dict.fromkeys(name for e in found for name in e.trial.config))
    frame = pd.DataFrame(rows, columns=[*_columns(order), *names, "run_id"])
    for whole in {"rank", FRONT} & {*frame.columns}:
        frame[whole] = frame[whole].astype("Int64")
    for name in names:
        frame[name] = frame[name].astype(object)  # a whole number beside a gap stays whole
    return frame


def _columns(order: Order) -> list[str]:
    own = [order.metric, "gain"]
    front = [FRONT] if len(order.aims) == 2 else []
    study = ["study"] if order.several else []
    more = [a.metric for a in order.aims if a.metric not in own]
    return ["rank", *front, *study, "trial", *own, *more, "epochs", "seconds", "status"]


def _row(entry: Entry, place: int | None, key: tuple[float, ...] | None, order: Order) -> dict[str, object]:
    trial = entry.trial
    known: dict[str, object] = {a.metric: entry.metrics.get(a.metric) for a in order.aims}
    known |= {
        "rank": place,
        FRONT: int(key[0]) if key and len(order.aims) == 2 else None,
        "study": entry.study,
        "trial": trial.number,
        order.metric: entry.value,
        "gain": entry.gain,
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 2) if trial.epochs else None,
        "status": f"{trial.state}: {trial.reason}" if trial.reason else str(trial.state),
        "run_id": trial.run_id,
    }
    return {**trial.config, **known}
