"""The commands for trials of a running study: add one, stop one, take one for failed."""

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


@trial.command()
@click.argument("study")
@click.argument("number", type=click.IntRange(min=0))
@click.option("--reason", default="", help="Why, to be read on the trial.")
@ANY_USER
def stop(study: str, number: int, reason: str, any_user: bool) -> None:
    """Train trial NUMBER of STUDY no further; the results that it has count.

    Example: mlflow-hpo trial stop latest 7 --reason "loss explodes"
    """
    from mlflow_hpo.study.wishing import end_trial

    click.echo(end_trial(study, number, "stop", reason, any_user))


@trial.command()
@click.argument("study")
@click.argument("number", type=click.IntRange(min=0))
@click.option("--reason", default="", help="Why, to be read on the trial.")
@ANY_USER
def fail(study: str, number: int, reason: str, any_user: bool) -> None:
    """Take trial NUMBER of STUDY for failed: it is the worst there is, and never registered.

    Example: mlflow-hpo trial fail latest 7 --reason "wrong data"
    """
    from mlflow_hpo.study.wishing import end_trial

    click.echo(end_trial(study, number, "fail", reason, any_user))
