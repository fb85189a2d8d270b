"""Reads the trials of one or several studies, for a ranking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlflow_hpo.errors import ConfigError, DamagedError
from mlflow_hpo.metric import Metric
from mlflow_hpo.report.ranking import Entry, Ranking, entries
from mlflow_hpo.report.study_info import StudyInfo, info_of
from mlflow_hpo.store import Connection, StudyRun, filter_names, find_studies, find_study, keys
from mlflow_hpo.store.names import legal
from mlflow_hpo.trial import Trial

NOT_SHOWN = ("system/", "mlflow.")  # of the names of metrics and tags
Progress = Callable[[int], None]  # is told how many trials were read so far


@dataclass(frozen=True)
class RankingQuery:
    """A request for a ranking.

    Attributes:
        studies: names; none: all of the experiment.
        where: a filter in MLflow's syntax; empty: all trials.
        metrics: see `Ranking`.
        any_user: `latest` is the newest study, whoever began it.
    """

    studies: tuple[str, ...]
    experiment: str = ""
    where: str = ""
    metrics: tuple[Metric, ...] = ()
    any_user: bool = False

    @property
    def is_whole(self) -> bool:
        """Tells whether it is the whole of one study."""
        return len(self.studies) == 1 and not (self.experiment or self.where)

    @property
    def is_plain(self) -> bool:
        """Tells whether it is the whole of one study, by its own metric."""
        return self.is_whole and not self.metrics


def studies_of(connection: Connection, query: RankingQuery) -> list[StudyRun]:
    """Finds the studies, each once, in the order of their names; those of an experiment by age.

    Raises:
        StudyError: there is none.
    """
    studies = [find_study(connection, name, query.any_user) for name in query.studies]
    studies += find_studies(connection, query.experiment) if query.experiment else []
    return list({study.run_id: study for study in studies}.values())


def read(
    studies: Sequence[StudyRun],
    query: RankingQuery,
    progress: Progress = lambda count: None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[list[Entry], Ranking]:
    """Reads every trial that a query asks for.

    Args:
        say: gets a line for each study of an experiment that is left out, as its tags are damaged.

    Raises:
        DamagedError: those of a study that is named are, or of all.
        ConfigError: the studies optimise different metrics, and no other is named; or the filter names
            what no trial has.
        StoreError: the filter is not valid.
    """
    infos, trials = dict[StudyRun, StudyInfo](), list[Entry]()
    for study in studies:
        try:
            info = info_of(study)
            trials += _entries(study, info, query, partial(_from, progress, len(trials)))
        except DamagedError as error:
            if not query.experiment or (not infos and study is studies[-1]):
                raise
            say(f"study {study.name} is left out: {error}")
        else:
            infos[study] = info
    ranking = _ranking([*infos], [*infos.values()], query)
    if query.where and not trials:
        _check_names([*infos], query.where)
    return trials, ranking


def _check_names(studies: Sequence[StudyRun], where: str) -> None:
    """Raises ConfigError if a filter names a param, a metric or a tag that no trial has."""
    runs = [run for study in studies for _, run in study.trials.runs()]
    for kind, name in filter_names(where):
        names = {n for run in runs for n in getattr(run.data, kind)}
        if runs and name not in names:
            listed = ", ".join(sorted(n for n in names if not n.startswith(NOT_SHOWN)))
            raise ConfigError(f"where {where!r}: no trial has {kind}.{name}: known are {listed or 'none'}")


def _from(progress: Progress, before: int, count: int) -> None:
    progress(before + count)


def _entries(study: StudyRun, info: StudyInfo, query: RankingQuery, progress: Progress) -> list[Entry]:
    runs = study.trials.runs(query.where, progress)
    trials = [trial for trial, _ in runs]
    metrics = {trial.run_id: _named(run.data.metrics, query.metrics) for trial, run in runs}
    first: Trial | None = None
    if query.where:  # the baseline need not meet the filter
        first = next((t for t, _ in study.trials.runs(f"tags.`{keys.NUMBER}` = '0'") if t.losses), None)
    return entries(info, trials, first, study.name, metrics)


def _named(logged: Mapping[str, float], wanted: Sequence[Metric]) -> dict[str, float]:
    """Returns a run's metrics, those that are wanted by their own names: the store may have given others."""
    return {**logged, **{m.name: logged[legal(m.name)] for m in wanted if legal(m.name) in logged}}


def _ranking(studies: Sequence[StudyRun], infos: Sequence[StudyInfo], query: RankingQuery) -> Ranking:
    several = len(studies) > 1
    if len({info.metrics for info in infos}) == 1:
        own = Ranking.of(infos[0])
        is_own = not query.metrics
        return replace(own, metrics=query.metrics or own.metrics, several=several, is_own=is_own)
    if not query.metrics:
        names = [",".join(metric.name for metric in info.metrics) for info in infos]
        named = ", ".join(f"{s.name} {name}" for s, name in zip(studies, names, strict=True))
        raise ConfigError(f"the studies optimise different metrics ({named}): give --sort METRIC")
    return Ranking(Metric("own_metric", True), query.metrics, several, is_own=False)
