"""The command line: parse, call one function, turn errors into one line."""

import sys
from typing import TYPE_CHECKING, Any

import click

from mlflow_hpo import __version__
from mlflow_hpo.cli.options import (
    ANY_USER,
    SWITCH,
    TRUST,
    Size,
    Switching,
    given_project_of,
    help_of,
    project_options,
    study_options,
)
from mlflow_hpo.cli.trial import trial
from mlflow_hpo.cli.views import show, space
from mlflow_hpo.settings import DEFAULT_ALIAS, OPTIONS, read_settings
from mlflow_hpo.vocabulary import option_hint

if TYPE_CHECKING:
    from rich.console import Console

PAGE = "report.html"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlflow-hpo")
def cli() -> None:
    """Hyperparameter tuning bolted onto MLflow: every trial a nested run, the best model registered."""
    from mlflow_hpo.execution.folders import remove_abandoned

    remove_abandoned()


@cli.command(cls=Switching)
@project_options
@study_options(with_defaults=True)
def search(**options: Any) -> None:
    """Run a study: train configurations, each as a nested MLflow run.

    Example: mlflow-hpo search --max-trials 40 --trial-timeout 60
    """
    project = given_project_of(options)
    settings = read_settings({**options, "project": project})
    from mlflow_hpo.study.lifecycle import start

    start(settings, _console())


@cli.command(cls=Switching)
@click.argument("study")
@click.option("--retry-failed", is_flag=True, help="Train the failed trials again.")
@click.option("--take-over", is_flag=True, help="Take it from a machine that is known to be dead.")
@click.option("--project", help="The project's address again, where it holds a password: none is stored.")
@TRUST
@ANY_USER
@study_options(with_defaults=False)
def resume(study: str, **options: Any) -> None:
    """Go on with STUDY (a run id, a run name, or latest): finish what was cut, train what is missing.

    What would not change the trials it has may be given another value: how many there are and when it stops,
    workers, timeouts, and all that has to do with keeping models and registering. The rest must be as it was.

    Example: mlflow-hpo resume latest --max-trials 60
    """
    from mlflow_hpo.study import lifecycle

    how = {name: options.pop(name) for name in ("retry_failed", "take_over", "trust", "any_user")}
    lifecycle.resume(study, options, _console(), **how)


@cli.command(cls=Switching)
@click.argument("studies", metavar="[STUDY]...", nargs=-1)
@click.option("--experiment", default="", help="All studies of this experiment.")
@click.option(
    "--where",
    default="",
    help="Only trials that meet this: MLflow's filter, as \"params.optimizer = 'adam'\".",
)
@click.option("--sort", default="", help="Metric to rank by, or max:METRIC, min:METRIC; empty: the study's.")
@click.option("--pareto", nargs=2, default=None, help="Two metrics to rank by at once: by dominance.")
@click.option(
    "--top", type=Size(), metavar="N", help="How many trials to show; without it: 10, in csv and json all."
)
@click.option("--format", "style", default="table", show_default=True, help="table, csv, json or markdown.")
@click.option(
    "--html",
    default="",
    is_flag=False,
    flag_value=PAGE,
    help=f"File for a page with plots, with --pareto also of the two metrics; without a name: {PAGE}.",
)
@click.option("--register", default="", help=help_of("register"))
@click.option("--alias", default="", help=f"{help_of('alias')[:-1]}; empty: the study's.")
@click.option("--top-k", help=help_of("top_k"))
@click.option("--min-gain", help=help_of("min_gain"))
@click.option("--confidence", help=help_of("confidence"))
@click.option("--prefer", help=help_of("prefer"))
@click.option("--force", default=False, type=bool, metavar=SWITCH, help=help_of("force"))
@TRUST
@ANY_USER
@click.option(
    "--dry-run", default=False, type=bool, metavar=SWITCH, help="Only say what would be registered."
)
def report(**options: Any) -> None:
    """Rank the trials of each STUDY (a run id, a run name, or latest), and register the best model.

    Without one it is the latest, or all of an experiment. The best model takes the alias only if it is better
    than the model that holds it, on the same test rows; if not, the command says why and ends with status 3.

    Example: mlflow-hpo report latest --top 5 --html report.html --register digits
    """
    gate = {name: options.pop(name) for name in ("top_k", "min_gain", "confidence", "prefer")}
    changed = {name: value for name, value in gate.items() if value not in (None, "")}
    read_settings(changed)
    from mlflow_hpo.study import reporting

    reporting.report(options, changed, _console())


@cli.command()
@click.argument("name")
@click.option("--alias", default=DEFAULT_ALIAS, show_default=True, help="Alias to move back.")
def rollback(name: str, alias: str) -> None:
    """Move the alias of the registered model NAME back to the version that held it before.

    Example: mlflow-hpo rollback digits
    """
    from mlflow_hpo import registry
    from mlflow_hpo.execution.signals import Signals
    from mlflow_hpo.store import Connection, check_registration, store_errors

    check_registration(name, alias, "name")
    with store_errors(), Signals():
        before, now = registry.rollback(Connection(), name, alias)
    click.echo(f"{name}: the alias {alias} went back from version {before} to version {now}")


@cli.command()
@click.argument("trial")
@click.option(
    "--tolerance",
    default=0.02,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How far the metric may be from what is recorded.",
)
@TRUST
@ANY_USER
def replay(trial: str, tolerance: float, trust: str, any_user: bool) -> None:
    """Train TRIAL (its run id, or STUDY:NUMBER) again from what its run records, and say how far that agrees.

    It names what differs from the record: another commit, changed data, another version. Where the metric is
    further off than the tolerance, it ends with status 1.

    Example: mlflow-hpo replay latest:11
    """
    from mlflow_hpo.study.registering import says
    from mlflow_hpo.study.replay import replay_by_name

    say = says(_console())
    for line in replay_by_name(trial, tolerance, trust, any_user, say):
        say(line)


@cli.command()
def doctor() -> None:
    """Look for what breaks studies, and say the remedy of each: store, environment, GPU, disk.

    Ends with status 1 where something was found.

    Example: mlflow-hpo doctor
    """
    from mlflow_hpo.doctor import examine

    examine(_console())


for command in (trial, show, space):
    cli.add_command(command)


def main() -> None:
    """Runs the command line; an error that a user can cause is one line and a non-zero exit."""
    from mlflow_hpo.errors import HpoError, Stopped
    from mlflow_hpo.execution.signals import stopped_by_signals

    try:
        with stopped_by_signals():
            sys.exit(cli.main(prog_name="mlflow-hpo", standalone_mode=False))
    except click.ClickException as error:
        hint = f": {option_hint(error.option_name, OPTIONS)}" if isinstance(error, click.NoSuchOption) else ""
        _fail(f"{error.message.rstrip('.') if hint else error.format_message()}{hint}", error.exit_code)
    except click.Abort:
        _fail("interrupted", 130)
    except Stopped as stopped:
        _fail(str(stopped), 128 + stopped.number)
    except HpoError as error:
        _fail(str(error), error.exit_status)


def _console() -> "Console":
    from mlflow_hpo.study.console import Output

    return Output()


def _fail(message: str, status: int) -> None:
    from mlflow_hpo.errors import cut, printable

    shown = "\n".join(map(cut, printable(message).split("\n")))
    click.echo(f"Error: {shown}", err=True)
    sys.exit(status)
