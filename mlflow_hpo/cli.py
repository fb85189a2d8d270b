"""The command line: parse, call one function, turn errors into one line."""

import sys
from collections.abc import Callable
from typing import Any

import click

from mlflow_hpo import __version__

OPTIONS: dict[str, tuple[str, str]] = {
    "model": ("mlp", "Model to tune: mlp, cnn, package.module:NAME or path/to/file.py:NAME."),
    "data": (
        "",
        "Data: digits, mnist, fashion_mnist, cifar10, cifar100; a CSV, Parquet or NPZ file; a folder of "
        "images; package.module:FUNCTION. Empty: digits for the built-in models.",
    ),
    "target-column": ("", "Column to predict, in a table."),
    "task": ("auto", "classification, regression, or auto: by the values to predict."),
    "fraction": ("1.0", "Part of the rows that the search trains on; the winner is trained on all."),
    "image-size": ("64", "Height and width in pixels that a folder's images get."),
    "preprocess": ("auto", "auto: tables are preprocessed as part of the model; none: as they are."),
    "space": ("", "YAML file with the hyperparameters; empty: the model's own."),
    "algorithm": (
        "tpe",
        "tpe, gp, random, anneal, atpe, evolution, cmaes, grid, optuna:NAME, package.module:function.",
    ),
    "scheduler": ("none", "Which trials get how many epochs: none, asha, hyperband, halving, median, pbt."),
    "max-trials": ("20", "How many configurations to train, the baseline included; all: a whole grid."),
    "max-epochs": ("", "Epochs of a fully trained trial; empty: 10, or as many as the space asks for."),
    "resource": (
        "auto",
        "What an epoch is: partial_fit, samples, or one of an estimator's params; a project's parameter.",
    ),
    "folds": ("1", "Cross-validate each trial on so many folds."),
    "repeats": ("1", "Train each trial with so many seeds."),
    "early-stopping": ("", "End a trial when so many epochs brought no better value; empty: never."),
    "metric": ("", "What to optimise, as training reports it; empty: val_accuracy, or what fits the task."),
    "direction": ("auto", "minimize, maximize, or auto: by the metric's name."),
    "workers": ("auto", "Worker processes; auto: one for each core."),
    "timeout": ("", "Seconds for the search, after which running trials are ended; empty: none."),
    "trial-timeout": ("", "Seconds for one trial; empty: none."),
    "seed": ("0", "Seed of the search and, derived from it, each trial."),
    "data-seed": ("", "Seed of the split of the data; empty: that of the search."),
    "grid-points": ("5", "Points of each float that the algorithm grid tries."),
    "min-epochs": ("1", "Fewest epochs of the first rung; of a generation for pbt."),
    "eta": ("3", "Of the trials at a rung, one in so many goes on."),
    "target": ("", "End when the metric reaches this number; a word: the column to predict."),
    "patience": ("", "End when so many trials brought no better one; empty: never."),
    "start-from": ("", "YAML file with configs to try first."),
    "warm-start": ("", "Earlier study whose trials inform the algorithm."),
    "register": ("", "Register the best model under this name."),
    "alias": ("champion", "Alias that the registered model gets."),
    "final": (
        "auto",
        "true: train the winner once more on all rows; auto: where the search had not all of them.",
    ),
    "keep-models": ("all", "Whose models and checkpoints are kept: all, best, or how many of the best."),
    "top-k": ("3", "Before registering, train so many of the best again with another seed; 1: none."),
    "min-gain": ("0", "Move the alias only to a model that is better than its holder by more than this."),
    "confidence": ("0.95", "How sure that must be, from 0.5 to below 1."),
    "force": ("false", "Register even a model that is not better; that is recorded."),
}

PAGE = "report.html"
SWITCHES = ("--force", "--dry-run")  # a word may follow, as MLproject passes them
SWITCH = "[true|false]"

PROJECT_OPTIONS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("--project",), {"help": "MLflow project to tune instead of a model: what `mlflow run` takes."}),
    (("--entry-point", "-e"), {"help": "Entry point of the project; without it: main."}),
    (("--param", "-P"), {"multiple": True, "help": "NAME=VALUE: fixed, not searched. Of the project."}),
    (("--version", "-v"), {"help": "Commit or branch of the project, from git."}),
    (("--env-manager",), {"help": "local, virtualenv, uv or conda; without it: by the project's files."}),
    (("--at",), {"help": "Which value of the project's metric counts: last (without it) or best."}),
]


def study_options(with_defaults: bool) -> Callable[[Any], Any]:
    """The options of a study; without defaults, one that is not given is None."""

    def decorate(function: Any) -> Any:
        for name, (default, text) in reversed(OPTIONS.items()):
            given: dict[str, Any] = (
                {"default": default, "show_default": bool(default)} if with_defaults else {"default": None}
            )
            given |= {"metavar": SWITCH} if f"--{name}" in SWITCHES else {}
            function = click.option(f"--{name}", help=text, **given)(function)
        return function

    return decorate


def project_options(function: Any) -> Any:
    """Those that name a project to tune, as `mlflow run` has them."""
    for names, how in reversed(PROJECT_OPTIONS):
        function = click.option(*names, **how)(function)
    return function


class Size(click.IntRange):
    """A whole number of at least 1; blank, as MLproject passes it, is none."""

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`."""
        return None if value == "" else super().convert(value, param, ctx)


class Switching(click.Command):
    """A command whose switches may be followed by true or false; alone they mean true."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join each switch with its word, so that no other argument is taken for that."""
        joined = list[str]()
        for word in args:
            if joined and joined[-1] in SWITCHES and word.lower() in ("true", "false", ""):
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return super().parse_args(ctx, [f"{w}=true" if w in SWITCHES else w for w in joined])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlflow-hpo")
def cli() -> None:
    """Hyperparameter tuning bolted onto MLflow: every trial a nested run, the best model registered."""


@cli.command(cls=Switching)
@project_options
@study_options(with_defaults=True)
def search(**options: Any) -> None:
    """Run a study: train configurations, each as a nested MLflow run.

    Example: mlflow-hpo search --max-trials 40 --trial-timeout 60
    """
    from mlflow_hpo import commands

    project = _project(options)
    _run(commands.search, {**options, "project": project})


@cli.command(cls=Switching)
@click.argument("study")
@study_options(with_defaults=False)
def resume(study: str, **options: str | None) -> None:
    """Go on with STUDY (a run id, a run name, or latest): finish what was cut, train what is missing.

    What would not change the trials it has may be given anew: how many there are and when it stops, workers,
    timeouts, and all that has to do with keeping models and registering. The rest must be as it was.

    Example: mlflow-hpo resume latest --max-trials 60
    """
    from mlflow_hpo import commands

    _run(commands.resume, study, options)


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
@click.option("--plot", default="", help="HTML file for a picture of the two.")
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
@click.option("--register", default="", help=OPTIONS["register"][1])
@click.option("--alias", default="", help=f"{OPTIONS['alias'][1][:-1]}; empty: the study's.")
@click.option("--top-k", help=OPTIONS["top-k"][1])
@click.option("--min-gain", help=OPTIONS["min-gain"][1])
@click.option("--confidence", help=OPTIONS["confidence"][1])
@click.option("--force", default=False, type=bool, metavar=SWITCH, help=OPTIONS["force"][1])
@click.option(
    "--dry-run", default=False, type=bool, metavar=SWITCH, help="Only say what would be registered."
)
def report(register: str, alias: str, force: bool, dry_run: bool, **options: Any) -> None:
    """Rank the trials of each STUDY (a run id, a run name, or latest), and register the best model.

    Without one it is the latest, or all of an experiment. The best model takes the alias only if it is better
    than the model that holds it, on the same test rows; if not, the command says why and ends with status 3.

    Example: mlflow-hpo report latest --top 5 --html report.html --register digits
    """
    from mlflow_hpo import commands

    way = {"name": register, "alias": alias, "force": force, "dry_run": dry_run}
    gate = {name: options.pop(name) for name in ("top_k", "min_gain", "confidence")}
    _run(commands.report, options, way, gate)


@cli.command()
@click.argument("name")
@click.option("--alias", default=OPTIONS["alias"][0], show_default=True, help="Alias to move back.")
def rollback(name: str, alias: str) -> None:
    """Move the alias of the registered model NAME back to the version that held it before.

    Example: mlflow-hpo rollback digits
    """
    from mlflow_hpo import commands

    _run(commands.rollback, name, alias)


@cli.command()
@click.argument("trial")
@click.option(
    "--tolerance",
    default=0.02,
    show_default=True,
    type=click.FloatRange(min=0),
    help="How far the metric may be from what is recorded.",
)
def replay(trial: str, tolerance: float) -> None:
    """Train TRIAL (its run id, or STUDY:NUMBER) again from what its run records, and say how far that agrees.

    It names what differs from the record: another commit, changed data, another version. Where the metric is
    further off than the tolerance, it ends with status 1.

    Example: mlflow-hpo replay latest:11
    """
    from mlflow_hpo import commands

    _run(commands.replay, trial, tolerance)


@cli.command()
def doctor() -> None:
    """Describe for what breaks studies, and say the remedy of each: store, environment, GPU, disk.

    Ends with status 1 where something was found.

    Example: mlflow-hpo doctor
    """
    from mlflow_hpo import commands

    _run(commands.doctor)


def main() -> None:
    """Run the command line; an error that a user can cause is one line and a non-zero exit."""
    from mlflow_hpo.errors import HpoError

    try:
        sys.exit(cli.main(prog_name="mlflow-hpo", standalone_mode=False))
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except click.Abort:
        _fail("interrupted", 130)
    except HpoError as error:
        _fail(str(error), error.exit_status)


def _project(options: dict[str, Any]) -> Any:
    """Takes the project's options out of the others, and gives the project; None where there is none."""
    from mlflow_hpo.projects import given_project

    uri, pairs = options.pop("project"), options.pop("param")
    rest = {name: options.pop(name) for name in ("entry_point", "version", "env_manager", "at")}
    if not uri:
        if strange := next((name for name, value in {**rest, "param": pairs}.items() if value), None):
            raise click.UsageError(f"--{strange.replace('_', '-')} is for a --project")
        return None
    for pair in pairs:
        if "=" not in pair:
            raise click.UsageError(f"-P {pair!r}: expected NAME=VALUE")
    return given_project(uri, parameters=dict(pair.split("=", 1) for pair in pairs), **rest)


def _run(function: Callable[..., None], *args: Any) -> None:
    from rich.console import Console

    function(*args, Console())


def _fail(message: str, status: int) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(status)
