"""What the commands do: the command line is a skin over these."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.fields import check_registration
from mlflow_hpo.inputs import Request
from mlflow_hpo.project import project_request
from mlflow_hpo.ready import ready
from mlflow_hpo.settings import DEFAULT_ALIAS, read_settings
from mlflow_hpo.study.lifecycle import PROJECT_RUN, begin, go_on, print_registered, register_best, workers

if TYPE_CHECKING:
    from mlflow_hpo.report.pareto import Picture
    from mlflow_hpo.store import StudyRun


def search(options: Mapping[str, Any], console: Console) -> None:
    """Run a study from its options, in MLflow's project run or one of its own.

    Args:
        options: those of `Settings`; `project` is one that `given_project` has made, or None.
    """
    project = options.get("project")
    begin(project_request(project, options) if project else Request.from_options(options), console)


def resume(name: str, options: Mapping[str, Any], console: Console) -> None:
    """Go on with a study; options that are None stay as they were."""
    go_on(name, options, console)


def report(
    view: Mapping[str, Any], register: Mapping[str, Any], gate: Mapping[str, Any], console: Console
) -> None:
    """Rank the trials of studies and, where a name to register under is given, register a study's best model.

    Args:
        view: `studies`, `experiment`, `where`, `sort`, `pareto` (two metrics or None), `top`, `style`,
            and the files `html`, a page, and `plot`.
        register: `name` (empty: none), `alias` (empty: the study's), `force` and `dry_run`, see
            `registry.Way`.
        gate: settings of the gate given anew; those that are None or empty stay as the study has them.
    """
    changed = {k: v for k, v in gate.items() if v not in (None, "")}
    wanted = [*(option for option in ("alias", "force", "dry_run") if register[option]), *changed]
    check_registration(register["name"] or None, register["alias"] or DEFAULT_ALIAS, wanted=wanted)
    read_settings(changed)
    from mlflow_hpo import registry
    from mlflow_hpo.report import command, formats
    from mlflow_hpo.report.query import studies_of
    from mlflow_hpo.store import Connection, store_errors

    formats.check_format(view["style"])
    if view["html"]:
        formats.check_page_file("html", view["html"])
    query = command.query_from(view)
    if register["name"] and not query.is_plain:
        raise ConfigError("register: takes one whole study, by its own metric")
    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        studies = studies_of(Connection(), query)
        found, order = command.show(studies, query, view, console)
        try:
            if register["name"]:
                run, trials = studies[0], [entry.trial for entry in found]
                settings = read_settings(run.settings | changed)
                way = registry.Way(**{**register, "alias": register["alias"] or settings.alias})
                print_registered(register_best(run, settings, trials, way, console), console)
        finally:  # the page says what was registered, or why not
            if view["html"]:
                fronts = [command.front(found, order)] if view["pareto"] else []
                _write_page(studies[0], fronts, view, console)


def _write_page(
    run: "StudyRun", fronts: "Sequence[Picture]", view: Mapping[str, Any], console: Console
) -> None:
    from mlflow_hpo.report import page, plots

    page.write_page(run, view["html"], [plots.front.plot(one) for one in fronts])
    if view["style"] == "table":  # the other formats are read by programs
        words = f"page with plots: {view['html']}"
        console.print(words, highlight=False, markup=False, soft_wrap=True)


def rollback(name: str, alias: str, console: Console) -> None:
    """Move the alias of a registered model back to the version that held it before."""
    check_registration(name, alias, "name")
    from mlflow_hpo import registry
    from mlflow_hpo.store import Connection, store_errors

    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        was, now = registry.rollback(Connection(), name, alias)
    print(f"{name}: the alias {alias} went back from version {was} to version {now}")


def replay(name: str, tolerance: float, console: Console) -> None:
    """Train a trial again from what its run records, and say how far that agrees."""
    os.environ.pop(PROJECT_RUN, None)
    from mlflow_hpo.store import Connection, find_trial, store_errors
    from mlflow_hpo.study.replay import replay, said

    with store_errors():
        run, trial = find_trial(Connection(), name)
        known = read_settings(run.settings)
        with (
            ready(known, run.space_text if known.project else "") as there,
            workers(there.settings, known.worker_count) as executor,  # one starts, with its threads
        ):
            found = replay(run, there.settings, trial, executor)
        for line in said(found, trial, known.metric, tolerance):
            print(line)


def doctor(console: Console) -> None:
    """Describe for what breaks studies; say the remedy of each.

    Raises:
        StudyError: something was found.
    """
    from mlflow_hpo.doctor import examined

    found = []
    for name, findings in examined():
        word = "?  " if findings is None else "BAD" if findings else "ok "
        console.print(f"{word} {name}", highlight=False, soft_wrap=True)
        for one in findings or []:
            print(f"    {one.what}\n    remedy: {one.remedy}")
        found += findings or []
    if found:
        raise StudyError(f"{len(found)} of what breaks studies was found: see above")
