"""What the commands do: the command line is a skin over these."""

import os
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from mlflow_hpo.inputs import Request
from mlflow_hpo.project import project_request
from mlflow_hpo.session import PROJECT_RUN, begin, go_on, print_registered, workers
from mlflow_hpo.settings import check_registration, read_settings


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
    name: str, top: int, style: str, html: str, register_as: str, alias: str, console: Console
) -> None:
    """Rank a study's trials, draw them where `html` names a file, register the best as `register_as`."""
    check_registration(register_as or None, alias)
    from mlflow_hpo.report import ranking, registry
    from mlflow_hpo.store import Connection, find_study, store_errors

    ranking.check_format(style)
    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        run = find_study(Connection(), name)
        settings = read_settings(run.settings)
        trials = run.trials.load()
        if style == "table":
            console.print(
                f"study {run.name} ({run.run_id}), {run.state}", highlight=False, markup=False, soft_wrap=True
            )
        print(ranking.formatted(ranking.rank(settings, trials, top), style))
        if html:
            from mlflow_hpo.report import page

            page.write_page(run, html)
            if style == "table":  # the other formats are read by programs
                console.print(f"page with plots: {html}", highlight=False, markup=False, soft_wrap=True)
        if register_as:
            registry.check_registrable(run, trials)
            with workers(settings, 1) as executor:
                print_registered(registry.register(run, settings, trials, register_as, alias, executor))
