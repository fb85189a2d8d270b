"""The command `report`: ranks trials, draws the page, and registers a study's best model."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rich.console import Console

from mlflow_hpo.errors import ConfigError, HpoError
from mlflow_hpo.projects import variables
from mlflow_hpo.registry import RegistrationRequest
from mlflow_hpo.report import command, formats, page
from mlflow_hpo.report.query import RankingQuery, studies_of
from mlflow_hpo.report.ranking import Entry, Ranking
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.settings import DEFAULT_ALIAS
from mlflow_hpo.store import Connection, StudyRun, check_registration, store_errors
from mlflow_hpo.study.registering import register_best, says
from mlflow_hpo.study.terminal import print_registered


def report(options: Mapping[str, Any], gate: Mapping[str, Any], console: Console) -> None:
    """Ranks the trials of studies and, if a name is given, registers a study's best model.

    Args:
        options: the command's, by name.
        gate: settings of the gate that are given another value.
    """
    wanted = [*(name for name in ("alias", "force", "dry_run") if options[name]), *gate]
    check_registration(options["register"] or None, options["alias"] or DEFAULT_ALIAS, wanted=wanted)
    formats.check_format(options["style"])
    if options["html"]:
        formats.check_page_file("html", options["html"])
    query = command.query_from(options)
    if options["register"] and not query.is_plain:
        raise ConfigError("register: takes one whole study, by its own metric")
    os.environ.pop(variables.RUN_ID, None)
    with store_errors():
        studies = studies_of(Connection(), query)
        entries, ranking = command.show(studies, query, options, console)
        shown = studies[0], query, entries, ranking, options, console
        try:
            if options["register"]:
                _register(studies[0], entries, options, gate, console)
        except HpoError:
            with suppress(Exception):  # that nothing was registered is what counts
                _write_page(*shown)
            raise
        _write_page(*shown)


def _register(
    run: StudyRun,
    entries: list[Entry],
    options: Mapping[str, Any],
    gate: Mapping[str, Any],
    console: Console,
) -> None:
    alias = options["alias"] or info_of(run).settings.alias
    request = RegistrationRequest(options["register"], alias, options["force"], options["dry_run"])
    done = register_best(
        run, [entry.trial for entry in entries], request, gate, console, trust=options["trust"]
    )
    print_registered(done, says(console))


def _write_page(
    run: StudyRun,
    query: RankingQuery,
    entries: list[Entry],
    ranking: Ranking,
    options: Mapping[str, Any],
    console: Console,
) -> None:
    """Writes the page, if one is wanted; it says what was registered, or why not."""
    if not options["html"]:
        return
    more = [command.front_plot(entries, ranking)] if query.metrics else []
    page.write_page(run, options["html"], more)
    if options["style"] == "table":  # the other formats are read by programs
        says(console)(f"page with plots: {options['html']}")
