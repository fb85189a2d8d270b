"""The command `report`: what is asked for, and what it prints."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Metric
from mlflow_hpo.report import formats, pareto
from mlflow_hpo.report.query import Progress, RankingQuery, read
from mlflow_hpo.report.ranking import Entry, Ranking, ranked
from mlflow_hpo.store import LATEST, StudyRun


def query_from(view: Mapping[str, Any]) -> RankingQuery:
    """What is asked for.

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
    found = RankingQuery(studies, view["experiment"], view["where"], metrics)
    if view["html"] and not (found.is_plain or (found.is_whole and view["pareto"])):
        raise ConfigError("html: takes one whole study, by its own metric or with --pareto")
    return found


def show(
    studies: Sequence[StudyRun], query: RankingQuery, view: Mapping[str, Any], console: Console
) -> tuple[list[Entry], Ranking]:
    """Print the ranking, and draw what is to be drawn; gives the trials as read, and their order."""
    with _progress() as progress:
        found, ranking = read(studies, query, progress)
    _check(found, ranking)
    if view["style"] == "table":
        for run in studies:
            words = f"study {run.name} ({run.run_id}), {run.state}"
            console.print(words, highlight=False, markup=False, soft_wrap=True)
        if query.where and not found:
            console.print(f"no trial meets {query.where}", highlight=False, markup=False, soft_wrap=True)
    top = view["top"] or formats.SHOWN.get(view["style"])
    print(formats.formatted(ranked(found, ranking), view["style"], top))
    return found, ranking


def front(found: Sequence[Entry], ranking: Ranking) -> pareto.Picture:
    """The trials by two metrics, as they are drawn."""
    x, y = (metric.name for metric in ranking.metrics)
    points = [
        pareto.Point(f"{e.study} trial {e.trial.number}", e.metrics[x], e.metrics[y], int(key[0]))
        for e, key in zip(found, ranking.keys(found), strict=True)
        if key is not None
    ]
    return pareto.picture((x, y), points)


def _check(found: Sequence[Entry], ranking: Ranking) -> None:
    """Raise ConfigError where no trial has a metric that is asked for."""
    for metric in ranking.metrics:
        if found and all(metric.loss_in(e.metrics) is None for e in found):
            known = ", ".join(sorted({m for e in found for m in e.metrics if not m.startswith("system/")}))
            rest = f"known are {known}" if known else "none has any yet"
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
