"""The commands that only look: at a study under way, at a model's space."""

import click

from mlflow_hpo.cli.options import ANY_USER
from mlflow_hpo.settings import read_settings


@click.command()
@click.argument("study", default="latest")
@click.option("--follow", is_flag=True, help="Go on until the study ends.")
@ANY_USER
def show(study: str, follow: bool, any_user: bool) -> None:
    """Show how far STUDY is (a run id, a run name, or latest), whoever runs it, and its best trials.

    Example: mlflow-hpo show latest --follow
    """
    from rich.console import Console

    from mlflow_hpo.study.showing import show as show_study

    show_study(study, follow, any_user, Console())


@click.command()
@click.argument("model")
@click.option("--data", default="", help="Data that the model is built for.")
@click.option("--space", default="", help="YAML file with hyperparameters in place of the model's own.")
def space(model: str, data: str, space: str) -> None:
    """Print the space of MODEL and its baseline, without training it.

    Example: mlflow-hpo space mlp
    """
    from rich.console import Console

    settings = read_settings({"model": model, "data": data, "space": space, "workers": 1})
    from mlflow_hpo.study.showing import show_space

    show_space(settings, Console())
