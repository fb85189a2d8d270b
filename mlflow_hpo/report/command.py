"""Answers the command `report`: reads its options, and prints the ranking."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Metric
from mlflow_hpo.report import formats
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.plots import Plot, front
from mlflow_hpo.report.query import Progress, RankingQuery, read
from mlflow_hpo.report.ranking import Entry, Ranking, ranked
from mlflow_hpo.store import LATEST, StudyRun


def query_from(view: Mapping[str, Any]) -> RankingQuery:
    """Makes a query from the options of the command.

    Raises:
        ConfigError: the options do not go together, or a metric's direction is not known.
    """
    if view["sort"] and view["pareto"]:
        raise ConfigError("sort: --pareto ranks by two metrics; give one of both")
    names = view["pareto"] or ([view["sort"]] if view["sort"] else [])
    studies = tuple(view["studies"]) or (() if view["experiment"] else (LATEST,))
    metrics = tuple(map(Metric.parse, names))
    if len({metric.name for metric in metrics}) < len(metrics):
        raise ConfigError(f"pareto: takes two metrics, not {metrics[0].name!r} twice")
    query = RankingQuery(studies, view["experiment"], view["where"], metrics, view["any_user"])
    if view["html"] and not (query.is_plain or (query.is_whole and view["pareto"])):
        raise ConfigError("html: takes one whole study, by its own metric or with --pareto")
    return query


def show(
    studies: Sequence[StudyRun], query: RankingQuery, view: Mapping[str, Any], console: Console
) -> tuple[list[Entry], Ranking]:
    """Prints the ranking; returns the trials as read, and their order."""
    with _progress() as progress:
        entries, ranking = read(studies, query, progress, partial(print_line, Console(stderr=True)))
    _check_metrics(entries, ranking)
    if view["style"] == "table":
        for run in studies:
            print_line(console, f"study {run.name} ({run.run_id}), {run.state}")
        if query.where and not entries:
            print_line(console, f"no trial meets {query.where}")
    top = view["top"] or formats.DEFAULT_TOP.get(view["style"])
    print(formats.formatted(ranked(entries, ranking), view["style"], top))
    return entries, ranking


def front_plot(entries: Sequence[Entry], ranking: Ranking) -> Plot[front.Front]:
    """Returns the plot of the trials by two metrics."""
    x, y = (metric.name for metric in ranking.metrics)
    points = [
        front.Point(f"{e.study} trial {e.trial.number}", e.metrics[x], e.metrics[y], int(key[0]))
        for e, key in zip(entries, ranking.keys(entries), strict=True)
        if key is not None
    ]
    return front.plot(x, y, points)


def _check_metrics(entries: Sequence[Entry], ranking: Ranking) -> None:
    """Raises ConfigError if no trial has a metric that is asked for."""
    for metric in ranking.metrics:
        if entries and all(metric.loss_in(e.metrics) is None for e in entries):
            names = ", ".join(sorted({m for e in entries for m in e.metrics if not m.startswith("system/")}))
            rest = f"known are {names}" if names else "none has any yet"
            raise ConfigError(f"no trial has a metric {metric.name!r}: {rest}")


@contextmanager
def _progress() -> Iterator[Progress]:
    """Shows on the error stream how many trials were read, where that is a terminal."""
    console = Console(stderr=True)
    with console.status("reading trials") as status:

        def show_count(count: int) -> None:
            if count % 500 == 0:
                status.update(f"reading trials: {count:,}")

        yield show_count
