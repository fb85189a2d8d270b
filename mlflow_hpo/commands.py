"""What the commands do: the command line and, later, Python and MLflow's plugins are skins over these.

MLflow and Hyperopt take seconds to import, and workers take longer still to import TensorFlow. So bad
settings are refused before any of that, and the driver imports while its workers do.
"""

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console
from rich.text import Text

from mlflow_hpo.algorithms import warm_trials
from mlflow_hpo.errors import Interrupted, StudyError
from mlflow_hpo.executors import LocalExecutor
from mlflow_hpo.hardware import usable_cores
from mlflow_hpo.settings import RESUMABLE, Settings, check_registration, make_settings
from mlflow_hpo.signals import Signals
from mlflow_hpo.space import Space, load_given, load_space, parse_given, parse_space
from mlflow_hpo.worker import warm_up, watch_parent

if TYPE_CHECKING:
    from mlflow_hpo.report.registry import Registered
    from mlflow_hpo.store import Connection, StudyRun
    from mlflow_hpo.study import Study
    from mlflow_hpo.trial import Trial

SHOWN = 5  # trials of an earlier study that do not fit, by name
PROJECT_RUN = "MLFLOW_RUN_ID"  # set by `mlflow run`; left there, it would claim the workers' runs


def search(options: Mapping[str, Any], console: Console) -> None:
    """Run a study from its options, in MLflow's project run or one of its own.

    A project run that is a study already is resumed, provided that the options are those it began with.
    """
    settings = make_settings(dict(options))
    space, text = _space(settings)
    start_text = load_given(settings.start_from) if settings.start_from else ""
    given = _given(settings, space, start_text, settings.start_from or "")
    run_id = os.environ.pop(PROJECT_RUN, None)
    if run_id:  # when `mlflow run` is ended, it takes its project along
        watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with Signals() as signals, _workers(settings, settings.worker_count) as executor:
        executor.start()
        from mlflow_hpo.display import Display
        from mlflow_hpo.store import Connection, new_study, open_run, store_errors
        from mlflow_hpo.study import Study

        settings.make_algorithm(space)
        with store_errors():
            connection = Connection()
            settings, earlier = _warm(connection, settings, space, console)
            run = open_run(connection, run_id) if run_id else new_study(connection)
            with _ended(run, run_id is not None), Display(console) as display:
                if run.is_study:
                    _take_over(run, settings, text)
                else:
                    run.begin(settings.dump(), text, start_text)
                    run.show_metric(settings.metric, settings.maximize)
                study = Study(run, settings, space, executor, display, signals, given, earlier)
                study.drive()
            _finish(study, executor, console)


def resume(name: str, options: Mapping[str, Any], console: Console) -> None:
    """Go on with a study: finish what was cut, and train what is missing.

    Args:
        options: those that were given anew; others stay as they were.
    """
    from mlflow_hpo.display import Display
    from mlflow_hpo.store import Connection, find_study, keys, store_errors
    from mlflow_hpo.study import Study

    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        run = find_study(Connection(), name)
        settings = make_settings(run.settings | {k: v for k, v in options.items() if v is not None})
        text = _space(settings)[1] if options.get("space") else run.space_text
        space = parse_space(text, keys.SPACE_FILE)
        start_text = run.start_text if settings.start_from else ""
        given = _given(settings, space, start_text, keys.START_FILE)
        settings, earlier = _warm(run.connection, settings, space, console)
        with Signals() as signals, _workers(settings, settings.worker_count) as executor:
            _take_over(run, settings, text)
            with _ended(run), Display(console) as display:
                study = Study(run, settings, space, executor, display, signals, given, earlier)
                study.drive()
            _finish(study, executor, console)


def report(name: str, top: int, style: str, register_as: str, alias: str, console: Console) -> None:
    """Rank a study's trials and, where `register_as` is given, register its best model."""
    check_registration(register_as or None, alias)
    from mlflow_hpo.report import ranking, registry
    from mlflow_hpo.store import Connection, find_study, store_errors

    ranking.check_format(style)
    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        run = find_study(Connection(), name)
        settings = make_settings(run.settings)
        trials = run.trials.load()
        if style == "table":
            console.print(
                f"study {run.name} ({run.run_id}), {run.state}", highlight=False, markup=False, soft_wrap=True
            )
        print(ranking.formatted(ranking.rank(settings, trials, top), style))
        if register_as:
            registry.check_registrable(run, trials)
            with _workers(settings, 1) as executor:
                _print_registered(registry.register(run, settings, trials, register_as, alias, executor))


def _given(settings: Settings, space: Space, text: str, source: str) -> list[dict[str, Any]]:
    """The configs that are tried first."""
    return parse_given(text, source, space, settings.found_model.defaults) if text else []


def _warm(
    connection: "Connection", settings: Settings, space: Space, console: Console
) -> "tuple[Settings, list[Trial]]":
    """The trials of the study that this one learns from, and the settings with that study's run id.

    Raises:
        StudyError: its metric is another one.
    """
    from mlflow_hpo.store import earlier_trials, find_study

    if not settings.warm_start:
        return settings, []
    study = find_study(connection, settings.warm_start)
    other = make_settings(study.settings)
    if (other.metric, other.maximize) != (settings.metric, settings.maximize):
        raise StudyError(
            f"warm-start: study {study.name} optimised {other.metric}, this one {settings.metric}"
        )
    kept, notes = warm_trials(earlier_trials(study), space, settings.max_epochs)
    console.print(Text(f"warm start from {study.name}: {len(kept)} of {len(kept) + len(notes)} trials"))
    for note in notes[:SHOWN]:
        console.print(Text(f"  left out: {note}"), soft_wrap=True)
    if len(notes) > SHOWN:
        console.print(Text(f"  and {len(notes) - SHOWN} more"))
    return settings.model_copy(update={"warm_start": study.run_id}), kept


def _finish(study: "Study", executor: LocalExecutor, console: Console) -> None:
    from mlflow_hpo.display import print_end
    from mlflow_hpo.report import registry

    settings = study.settings
    print_end(console, study)
    if settings.register_as:
        name, alias = settings.register_as, settings.alias
        _print_registered(registry.register(study.run, settings, study.known, name, alias, executor))


@contextmanager
def _ended(run: "StudyRun", of_project: bool = False) -> Iterator[None]:
    """Whatever goes wrong, the study's run does not stay RUNNING."""
    from mlflow_hpo.store import set_killed_after
    from mlflow_hpo.trial import State

    try:
        yield
    except Interrupted as cut:
        run.end(State.KILLED, cut.reason)
        if of_project:
            set_killed_after(run.connection.uri, run.run_id, _mlflow_process())
        raise
    except BaseException as error:
        with suppress(Exception):  # the store may be what failed
            run.end(State.FAILED, str(error) or type(error).__name__)
        raise


def _mlflow_process() -> int:
    """The `mlflow run` above this process, or the nearest that there is."""
    above = psutil.Process().parents()
    return next((p.pid for p in reversed(above) if "mlflow" in " ".join(p.cmdline()[:3])), os.getppid())


@contextmanager
def _workers(settings: Settings, count: int) -> Iterator[LocalExecutor]:
    threads = max(1, usable_cores() // count)
    with tempfile.TemporaryDirectory(prefix="mlflow-hpo-", ignore_cleanup_errors=True) as folder:
        start = (settings.model, settings.data, settings.seed, threads, folder)
        with LocalExecutor(count, warm_up, start) as executor:
            yield executor


def _space(settings: Settings) -> tuple[Space, str]:
    model = settings.found_model
    if settings.space:
        space, text = load_space(settings.space)
    else:
        text = model.space_text
        space = parse_space(text, f"{model.name}.yaml")
    settings.check_space(space)
    return space, text


def _take_over(run: "StudyRun", settings: Settings, text: str) -> None:
    """Become the driver of a study that another process began.

    Raises:
        StudyError: another process still drives it, or it would go on as another study than it began.
    """
    before, now = make_settings(run.settings).dump(), settings.dump()
    for key in now:
        if key not in (*RESUMABLE, "space") and before[key] != now[key]:
            raise StudyError(
                f"study {run.run_id} began with {key} {before[key]!r}, not {now[key]!r}: "
                f"a resume may change {', '.join(RESUMABLE)}"
            )
    if text != run.space_text:
        raise StudyError(
            f"study {run.run_id} began with another space than that of {settings.space or 'the model'}"
        )
    if other := run.other_driver():
        raise StudyError(f"study {run.run_id} is being run by {other}: wait for it or stop it")
    run.drive_again(settings.dump())


def _print_registered(found: "Registered") -> None:
    tested = ", ".join(f"{k} {v:.4f}" for k, v in found.scores.items())
    print(f"registered trial {found.trial} as {found.name} version {found.version} ({tested})")
    print(f"load it with mlflow.pyfunc.load_model('models:/{found.name}@{found.alias}')")
