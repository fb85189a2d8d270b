"""All that the page says of a study, read from the store once, as frozen data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mlflow_hpo.metric import rank
from mlflow_hpo.report.study_info import StudyInfo, info_of
from mlflow_hpo.space import Space, parse_space
from mlflow_hpo.store import Observed, Span, StudyRun, curve, keys, observe, spans
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.trial import State, Trial

MOST_READ = 200  # trials that are looked at closely: a query for each curve, and one for when units ran
MILLI = 1e-3


@dataclass(frozen=True)
class TrialView:
    """A trial, and what its run shows.

    Attributes:
        value: the study's metric after its last recorded epoch; None where there is none, or it failed.
        spans: when its units were trained, in order; seconds since the study began.
        curve: (epoch, value) pairs; empty where it was not read.
        used: of cpu_seconds, peak_memory_mb and gpu_memory_mb, those that were measured.
        machine: what it ran on, by the names of `hardware.machine`.
    """

    trial: Trial
    value: float | None = None
    spans: tuple[Span, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    used: Mapping[str, float] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    def stopped(self, info: StudyInfo) -> bool:
        """Whether it was ended, or rests, before the last epoch; one that ended by itself was not."""
        over = self.trial.ended_itself or self.trial.epochs >= info.max_epochs
        return self.value is not None and not over


@dataclass(frozen=True, eq=False)
class StudySnapshot:
    """A study, for its page.

    Attributes:
        began: when, in seconds since 1970.
        seconds: from there to its end, or to what came last.
        seen: its trials, by number.
        curves_read: of how many trials the learning curves were read.
        final_uri: the model of the final training; empty where there was none.
        registrations: how its registrations came out, the newest first.
    """

    name: str
    run_id: str
    state: str
    uri: str
    experiment_id: str
    began: float
    seconds: float
    info: StudyInfo
    space: Space
    seen: tuple[TrialView, ...]
    curves_read: int
    final_uri: str = ""
    registrations: tuple[Registration, ...] = ()

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials alone."""
        return [s.trial for s in self.seen]

    @cached_property
    def scored(self) -> list[TrialView]:
        """Those with a value, by number."""
        return [s for s in self.seen if s.value is not None]

    @cached_property
    def ranked(self) -> list[TrialView]:
        """Those with a value, the best first."""
        views = {view.number: view for view in self.scored}
        return [views[trial.number] for trial in rank(v.trial for v in self.scored)]

    @cached_property
    def failed(self) -> list[TrialView]:
        """Those that failed."""
        return [s for s in self.seen if s.trial.state is State.FAILED]

    @property
    def registration(self) -> Registration | None:
        """The newest version that was made of it; without any, the newest refusal."""
        return next(
            (o for o in self.registrations if o.version),
            self.registrations[0] if self.registrations else None,
        )

    @property
    def model_uri(self) -> str:
        """Where its best model is loaded from; empty where there is none."""
        registered = self.registration.uri if self.registration else ""
        return registered or self.final_uri or (self.best.trial.model_uri if self.best else "")

    @property
    def best(self) -> TrialView | None:
        """The best trial."""
        return self.ranked[0] if self.ranked else None

    @property
    def baseline(self) -> TrialView | None:
        """Trial 0, where it has a value."""
        return next((s for s in self.scored if s.number == 0), None)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which trials were compared; none without a scheduler."""
        pruned = self.info.settings.scheduler != "none"
        return self.info.plan.rungs if pruned else ()

    def better(self, one: float, other: float) -> bool:
        """Whether a value of the metric is better than another."""
        return self.info.metric.loss(one) < self.info.metric.loss(other)


def read_snapshot(run: StudyRun) -> StudySnapshot:
    """Reads a study: one paged query, and for at most `MOST_READ` trials two more each.

    Raises:
        StudyError: its space is gone.
        ConfigError: its settings are not known here.
    """
    info, about = info_of(run), run.connection.client.get_run(run.run_id).info
    seen = _closely(run, info, observe(run))
    began = min([about.start_time * MILLI, *(s.spans[0].begin for s in seen if s.spans)])
    ends = [s.spans[-1].end for s in seen if s.spans] or [began]
    seen = [replace(s, spans=tuple(_since(span, began) for span in s.spans)) for s in seen]
    return StudySnapshot(
        name=run.name,
        run_id=run.run_id,
        state=run.state,
        uri=run.connection.uri,
        experiment_id=run.experiment_id,
        began=began,
        seconds=max([*ends, *_ended(about)]) - began,
        info=info,
        space=parse_space(run.space_text, keys.SPACE_FILE),
        seen=tuple(seen),
        curves_read=sum(bool(s.curve) for s in seen),
        final_uri=final.model_uri if (final := run.final) else "",
        registrations=tuple(run.registrations),
    )


def chosen(trials: Sequence[Trial], most: int = MOST_READ) -> set[int]:
    """The trials to look at closely: the baseline, the best, and as many of the others, spread evenly."""
    ranked = sorted(rank(trials), key=lambda trial: trial.number != 0)
    if len(ranked) <= most:
        return {t.number for t in ranked}
    first, rest = ranked[: most // 2], ranked[most // 2 :]
    places = (i * len(rest) // (most - len(first)) for i in range(most - len(first)))
    return {t.number for t in (*first, *(rest[place] for place in places))}


def _closely(run: StudyRun, info: StudyInfo, found: Sequence[Observed]) -> list[TrialView]:
    near = chosen([o.trial for o in found])
    return [_seen(run, info, o, o.trial.number in near) for o in found]


def _seen(run: StudyRun, info: StudyInfo, found: Observed, closely: bool) -> TrialView:
    trial = found.trial
    value = None if trial.state is State.FAILED else info.value(trial)
    own: tuple[Span, ...] = (found.last,) if found.last else ()
    if closely and len(trial.losses) > 1:  # more than one unit, perhaps
        own = spans(run, trial) or own
    points = curve(run, trial, info.metric.name) if closely else ()
    return TrialView(trial, value, own, points, found.used, found.machine)


def _since(span: Span, began: float) -> Span:
    return Span(span.begin - began, span.end - began, span.epochs)


def _ended(info: Any) -> list[float]:
    return [info.end_time * MILLI] if info.end_time else []
