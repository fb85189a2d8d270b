"""Shows a study that another process runs, from the store alone; and a model's space without training it."""

from time import sleep, time

from rich.console import Console
from rich.live import Live

from mlflow_hpo.report import summary
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.settings import Settings
from mlflow_hpo.space import Space, dump_space, parse_space
from mlflow_hpo.store import Connection, StudyRun, find_study, open_run, store_errors
from mlflow_hpo.study.progress import Progress, config_text
from mlflow_hpo.study.registering import says
from mlflow_hpo.study.setup import whole_space
from mlflow_hpo.study.source import Given, find_source
from mlflow_hpo.study.workers import StudyWorkers, study_folder
from mlflow_hpo.trial import State

LOOK_SECONDS = 2.0
MILLI = 1e-3


def show(name: str, follow: bool, any_user: bool, console: Console) -> None:
    """Prints how far a study is, and its best trials; goes on until it ends if it is to be followed.

    Raises:
        HpoError: there is no such study.
    """
    with store_errors():
        run = find_study(Connection(), name, any_user)
        print_line(console, f"study {run.name} ({run.run_id}), {run.state}")
        if follow and not run.is_over:
            with Live(progress_of(run), console=console, transient=True) as live:
                while not run.is_over:
                    sleep(LOOK_SECONDS)
                    run = open_run(run.connection, run.run_id)
                    live.update(progress_of(run))
            print_line(console, f"it is over: {run.state}")
        last = progress_of(run)
        console.print(last)
        console.print(last.best_table())


def progress_of(run: StudyRun) -> Progress:
    """Reads how far a study is."""
    pairs, now = run.trials.runs(), time()
    begun = run.connection.client.get_run(run.run_id).info
    running = {t.number: now - own.info.start_time * MILLI for t, own in pairs if t.state is State.RUNNING}
    end = begun.end_time * MILLI if begun.end_time else now
    trials = [trial for trial, _ in pairs]
    seconds = end - begun.start_time * MILLI
    return Progress(run.name, info_of(run), trials, 0, seconds, running, run.is_over)


def show_space(settings: Settings, console: Console) -> None:
    """Prints a model's space as YAML, and the baseline; nothing is trained, and nothing stored.

    Raises:
        HpoError: the model cannot be loaded, or has no space.
    """
    with study_folder() as folder:
        given = Given(folder)
        with StudyWorkers(settings, folder, says(console)) as workers:
            source = find_source(settings, given)
            model, _ = workers.describe(source.spec, source.name)
    space = whole_space(source, given, model)
    if not space.parameters:
        takes = " ".join(f"{name}={summary.cell(value)}" for name, value in model.defaults.items())
        asks = "asks for its hyperparameters as it runs" if model.asks else f"takes {takes or 'none'}"
        print_line(console, f"# {source.name} brings no space: it {asks}")
        return
    console.print(_text(space, model.space_text), end="", markup=False, highlight=False, soft_wrap=True)
    print_line(console, f"# baseline: {config_text(model.baseline(space))}")


def _text(space: Space, own: str) -> str:
    """Returns a space as it was written, comments and all, if it is the model's own."""
    is_own = bool(own) and parse_space(own, "space") == space
    return own if is_own else dump_space(space)
