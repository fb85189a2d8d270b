"""Ranks trials, of one study or of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from mlflow_hpo.metric import Metric, order
from mlflow_hpo.report import summary
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import values_of
from mlflow_hpo.trial import State, Trial

FRONT = "front"


@dataclass(frozen=True)
class Entry:
    """A trial in a ranking.

    Attributes:
        value, gain: the metric of its study, and by how much it is better than that study's baseline.
        metrics: the last value of every metric of its run.
    """

    trial: Trial
    value: float | None
    gain: float | None
    study: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranking:
    """The order of a ranking, and what it shows.

    Attributes:
        optimised: the metric that the studies optimised.
        metrics: the metrics that order the trials: one; several, by dominance; none, by the optimised one.
        is_own: they are the study's own, so that what breaks its constraints has no place.
        several: the trials are of several studies.
    """

    optimised: Metric
    metrics: tuple[Metric, ...] = ()
    several: bool = False
    is_own: bool = True

    @staticmethod
    def of(info: StudyInfo) -> "Ranking":
        """Returns the order of a study's own trials."""
        return Ranking(info.metric, info.metrics if len(info.metrics) > 1 else ())

    def keys(self, entries: Sequence[Entry]) -> list[tuple[float, ...] | None]:
        """Returns what each trial is sorted by (see `metric.order`); None for those without a place."""
        losses = [self._losses(entry) for entry in entries]
        placed = [i for i, loss in enumerate(losses) if loss is not None]
        if self.is_own:
            placed = [i for i in placed if not entries[i].trial.violation()]
        keys = dict(zip(placed, order([losses[i] or () for i in placed]), strict=True))
        return [keys.get(i) for i in range(len(entries))]

    def _losses(self, entry: Entry) -> tuple[float, ...] | None:
        if entry.trial.state is State.FAILED:
            return None
        if not self.metrics:
            return None if entry.value is None else (self.optimised.loss(entry.value),)
        losses = tuple(metric.loss_in(entry.metrics) for metric in self.metrics)
        return None if None in losses else losses  # type: ignore[return-value]


def rank(info: StudyInfo, trials: Sequence[Trial], top: int | None = None) -> pd.DataFrame:
    """Ranks the trials of a study, best first; those without a loss come last, by number.

    Returns:
        The table that `ranked` returns.
    """
    frame = ranked(entries(info, trials), Ranking.of(info))
    return frame.head(top) if top else frame


def entries(
    info: StudyInfo,
    trials: Sequence[Trial],
    baseline: Trial | None = None,
    study: str = "",
    metrics: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Entry]:
    """Makes a study's trials entries of a ranking.

    Args:
        baseline: the trial that gains are measured against; None: it is among the trials, or there is none.
        metrics: run id -> metrics.
    """
    first, metrics = baseline or summary.baseline(trials), metrics or {}
    others = [first] if first else []
    return [
        Entry(t, info.value(t), summary.gain(info, t, others), study, _metrics_of(info, t, metrics))
        for t in trials
    ]


def _metrics_of(info: StudyInfo, trial: Trial, logged: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns a trial's metrics: those of the study as they count, others as they were logged last."""
    counted = values_of(trial, info.metrics) if len(info.metrics) > 1 else {}
    return {**logged.get(trial.run_id, {}), **counted}


def ranked(entries: Sequence[Entry], ranking: Ranking) -> pd.DataFrame:
    """Ranks trials, best first; those without a place last, as they came.

    Returns:
        Columns rank (empty without a place), front (for several metrics), study (of several), trial, the
        optimised metric, gain (over the baseline; positive is better), the ranking's metrics, epochs,
        seconds, status, then the hyperparameters and run_id.
    """
    keys = ranking.keys(entries)
    placed = [i for i, key in enumerate(keys) if key is not None]
    placed.sort(key=lambda i: (keys[i], entries[i].trial.number))
    rest = [i for i, key in enumerate(keys) if key is None]
    rows = [_row(entries[i], place, keys[i], ranking) for place, i in enumerate(placed, 1)]
    rows += [_row(entries[i], None, None, ranking) for i in rest]
    names = list(dict.fromkeys(name for e in entries for name in e.trial.config))
    frame = pd.DataFrame(rows, columns=[*_columns(ranking), *names, "run_id"])
    for whole in {"rank", FRONT} & {*frame.columns}:
        frame[whole] = frame[whole].astype("Int64")
    for name in names:
        frame[name] = frame[name].astype(object)  # a whole number beside a gap stays whole
    return frame


def _columns(ranking: Ranking) -> list[str]:
    optimised = [ranking.optimised.name, "gain"]
    front = [FRONT] if len(ranking.metrics) > 1 else []
    study = ["study"] if ranking.several else []
    more = [m.name for m in ranking.metrics if m.name not in optimised]
    return ["rank", *front, *study, "trial", *optimised, *more, "epochs", "seconds", "status"]


def _row(
    entry: Entry, place: int | None, key: tuple[float, ...] | None, ranking: Ranking
) -> dict[str, object]:
    trial = entry.trial
    row: dict[str, object] = {m.name: entry.metrics.get(m.name) for m in ranking.metrics}
    row |= {
        "rank": place,
        FRONT: int(key[0]) if key and len(ranking.metrics) > 1 else None,
        "study": entry.study,
        "trial": trial.number,
        ranking.optimised.name: entry.value,
        "gain": entry.gain,
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 2) if trial.epochs else None,
        "status": _status(trial),
        "run_id": trial.run_id,
    }
    return {**trial.config, **row}


def _status(trial: Trial) -> str:
    breaks = "breaks the constraints" if trial.violation() else ""
    words = "; ".join(part for part in (trial.reason, breaks) if part)
    return f"{trial.state}: {words}" if words else str(trial.state)
