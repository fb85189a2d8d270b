"""The commands for trials of a running study: add one, stop one, take one for failed."""

from typing import Any

import click

from mlflow_hpo.cli.options import ANY_USER


@click.group()
def trial() -> None:
    """Add, stop or fail a trial of a running study by hand; its driver notices within seconds.

    Example: mlflow-hpo trial stop latest 7
    """


@trial.command()
@click.argument("study")
@click.argument("pairs", metavar="NAME=VALUE...", nargs=-1, required=True)
@ANY_USER
def add(study: str, pairs: tuple[str, ...], any_user: bool) -> None:
    """Try this config next in STUDY; what is left out is as in the baseline.

    Example: mlflow-hpo trial add latest units=128 learning_rate=1e-3
    """
    from mlflow_hpo.study.wishing import add_trial

    click.echo(add_trial(study, pairs, any_user))


def _of_one_trial(function: Any) -> Any:
    """Adds what names a trial of a study, and the reason for what is done to it."""
    for option in (
        ANY_USER,
        click.option("--reason", default="", help="Why, to be read on the trial."),
        click.argument("number", type=click.IntRange(min=0)),
        click.argument("study"),
    ):
        function = option(function)
    return function


@trial.command()
@_of_one_trial
def stop(study: str, number: int, reason: str, any_user: bool) -> None:
    """Train trial NUMBER of STUDY no further; the results that it has count.

    Example: mlflow-hpo trial stop latest 7 --reason "loss explodes"
    """
    from mlflow_hpo.study.wishing import end_trial

    click.echo(end_trial(study, number, "stop", reason, any_user))


@trial.command()
@_of_one_trial
def fail(study: str, number: int, reason: str, any_user: bool) -> None:
    """Take trial NUMBER of STUDY for failed: it is the worst there is, and never registered.

    Example: mlflow-hpo trial fail latest 7 --reason "wrong data"
    """
    from mlflow_hpo.study.wishing import end_trial

    click.echo(end_trial(study, number, "fail", reason, any_user))
