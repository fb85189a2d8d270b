"""Reads all that the page says of a study from the store, once, as frozen data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from mlflow_hpo.metric import rank
from mlflow_hpo.report.study_info import StudyInfo, info_of
from mlflow_hpo.report.winner import ordered
from mlflow_hpo.space import Space, asked_space, parse_space
from mlflow_hpo.store import StudyRun, history, keys
from mlflow_hpo.store.history import UnitSpan
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.trial import State, Trial

MOST_READ = 200  # trials whose curve is read: that takes a query each, and one for when its units ran
MILLI = 1e-3


@dataclass(frozen=True)
class TrialView:
    """A trial, and what its run shows.

    Attributes:
        value: the study's metric after its last recorded epoch; None if there is none, or it failed.
        spans: when its units were trained, in order; seconds since the study began.
        curve: (epoch, value) pairs; empty if it was not read.
        used: of cpu_seconds, peak_memory_mb and gpu_memory_mb, those that were measured.
        machine: what it ran on, by the names of `hardware.machine`.
    """

    trial: Trial
    value: float | None = None
    spans: tuple[UnitSpan, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    used: Mapping[str, float] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    def stopped(self, info: StudyInfo) -> bool:
        """Tells whether it ended, or rests, before the last epoch; not if its training ended by itself."""
        over = self.trial.ended_itself or self.trial.epochs >= info.max_epochs
        return self.value is not None and not over


@dataclass(frozen=True, eq=False)
class StudySnapshot:
    """A study, for its page.

    Attributes:
        began: when, in seconds since 1970.
        seconds: from there to its end, or to what came last.
        views: its trials, by number.
        curves_read: of how many trials the learning curves were read.
        final_uri: the model of the final training; empty if there was none.
        registrations: the outcomes of its registrations, the newest first.
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
    views: tuple[TrialView, ...]
    curves_read: int
    final_uri: str = ""
    registrations: tuple[Registration, ...] = ()

    @cached_property
    def trials(self) -> list[Trial]:
        """The trials alone."""
        return [view.trial for view in self.views]

    @cached_property
    def scored(self) -> list[TrialView]:
        """The trials with a value, by number."""
        return [view for view in self.views if view.value is not None]

    @cached_property
    def eligible(self) -> list[TrialView]:
        """Those of `scored` that may be the best: that keep to the constraints, if any does."""
        return [view for view in self.scored if not view.trial.violation()] or self.scored

    @cached_property
    def values(self) -> list[float]:
        """The values of `scored`."""
        return [view.value for view in self.scored if view.value is not None]

    @cached_property
    def ranked(self) -> list[TrialView]:
        """The trials with a value, best first."""
        views = {view.number: view for view in self.scored}
        return [views[trial.number] for trial in ordered(self.info, [view.trial for view in self.scored])]

    @cached_property
    def failed(self) -> list[TrialView]:
        """The trials that failed, by number."""
        return [view for view in self.views if view.trial.state is State.FAILED]

    @property
    def registration(self) -> Registration | None:
        """The newest registered version; if there is none, the newest refusal."""
        newest = self.registrations[0] if self.registrations else None
        return next((r for r in self.registrations if r.version), newest)

    @property
    def model_uri(self) -> str:
        """The URI that loads its best model; empty if there is none."""
        registered = self.registration.uri if self.registration else ""
        return registered or self.final_uri or (self.best.trial.model_uri if self.best else "")

    @property
    def best(self) -> TrialView | None:
        """The best trial."""
        return self.ranked[0] if self.ranked else None

    @property
    def baseline(self) -> TrialView | None:
        """Trial 0, if it has a value."""
        return next((view for view in self.scored if view.number == 0), None)

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials were compared; none without a scheduler."""
        return self.info.plan.rungs if self.info.settings.scheduler != "none" else ()

    def better(self, one: float, other: float) -> bool:
        """Tells whether a value of the metric is better than another."""
        return self.info.metric.loss(one) < self.info.metric.loss(other)


def read_snapshot(run: StudyRun) -> StudySnapshot:
    """Reads a study: one paged query, and for at most `MOST_READ` trials two more each.

    Raises:
        StudyError: its space is gone.
        ConfigError: its settings are not known here.
    """
    info, mlflow_run = info_of(run), run.connection.client.get_run(run.run_id).info
    views = _views(run, info)
    units = [span for view in views for span in view.spans]
    began = min([mlflow_run.start_time * MILLI, *(span.begin for span in units)])
    ended = [mlflow_run.end_time * MILLI] if mlflow_run.end_time else []
    return StudySnapshot(
        name=run.name,
        run_id=run.run_id,
        state=run.state,
        uri=run.connection.uri,
        experiment_id=run.experiment_id,
        began=began,
        seconds=max([began, *(span.end for span in units), *ended]) - began,
        info=info,
        space=_space(run, views),
        views=tuple(replace(view, spans=_since(view.spans, began)) for view in views),
        curves_read=sum(bool(view.curve) for view in views),
        final_uri=final.model_uri if (final := run.final) else "",
        registrations=tuple(run.registrations),
    )


def _space(run: StudyRun, views: Sequence[TrialView]) -> Space:
    """Returns the space that was given, or what the objective has asked for."""
    if text := run.artifacts.space_text.strip():
        return parse_space(text, keys.SPACE_FILE)
    return asked_space(view.trial.asked for view in views)


def chosen(trials: Sequence[Trial], most: int = MOST_READ) -> set[int]:
    """Returns the trials whose curves are read: the baseline, the best, and of the others an even sample."""
    failed = [trial for trial in trials if trial.state is State.FAILED and trial.losses]
    ranked = sorted([*rank(trials), *failed], key=lambda trial: trial.number != 0)
    if len(ranked) <= most:
        return {trial.number for trial in ranked}
    first, rest = ranked[: most // 2], ranked[most // 2 :]
    places = (i * len(rest) // (most - len(first)) for i in range(most - len(first)))
    return {trial.number for trial in (*first, *(rest[place] for place in places))}


def _views(run: StudyRun, info: StudyInfo) -> list[TrialView]:
    pairs = run.trials.runs()
    read = chosen([trial for trial, _ in pairs])
    return [_view(run, info, *pair, pair[0].number in read) for pair in pairs]


def _view(run: StudyRun, info: StudyInfo, trial: Trial, trial_run: Any, with_curve: bool) -> TrialView:
    value = None if trial.state is State.FAILED else info.value(trial)
    last = history.last_span(trial, trial_run)
    units: tuple[UnitSpan, ...] = (last,) if last else ()
    if with_curve and len(trial.losses) > 1:  # more than one unit, perhaps
        units = history.unit_spans(run, trial) or units
    curve = history.learning_curve(run, trial, info.metric.name) if with_curve else ()
    return TrialView(trial, value, units, curve, history.used_by(trial_run), history.machine_of(trial_run))


def _since(units: Sequence[UnitSpan], began: float) -> tuple[UnitSpan, ...]:
    return tuple(UnitSpan(unit.begin - began, unit.end - began, unit.epochs) for unit in units)
