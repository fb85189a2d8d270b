"""A study whose trials somebody else trains: it proposes configs (`ask`), and is told results (`tell`)."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from typing_extensions import override

from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.execution.folders import temporary_folder
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.report.study_info import StudyInfo, info_of
from mlflow_hpo.settings import LARGEST_GRID, OPTIONS, OWN_LOOP, read_settings
from mlflow_hpo.space import Space
from mlflow_hpo.store import Connection, StudyRun, find_study, given_run, new_study, store_errors
from mlflow_hpo.study.from_python import FROM_PYTHON, with_space, with_start
from mlflow_hpo.study.open_study import OpenStudy
from mlflow_hpo.study.registering import says
from mlflow_hpo.study.resumption import given_again, resumed_settings
from mlflow_hpo.study.setup import Inspector, StudyPlan, plan
from mlflow_hpo.study.source import Given
from mlflow_hpo.study.trust import check_trusted, remember
from mlflow_hpo.trial import Config, Trial

LOSS = "loss"
USED = {"space", "algorithm", "seed", "direction", "constraints", "prefer", "grid_points", "max_trials"}
USED |= {"start_from", "warm_start", "timeout", "target", "patience"}


def told(trial: Any) -> None:
    """Stands for a loop that is not ours to run.

    Raises:
        StudyError: always.
    """
    raise StudyError(
        f"trial {trial.run_id} is trained by its user's own loop: open_study(resume=...) goes on with it"
    )


class _Nobody(Inspector):
    """Knows of a model only what its user says: nothing is loaded, and nobody trains."""

    def __init__(self, connection: Connection, say: Callable[[str], None]) -> None:
        self._connection, self._say = connection, say

    @override
    def describe(self, spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
        return ModelInfo("your loop", metric={"": LOSS}, has_epochs=False, needs_data=False), DataInfo()

    @override
    def start(self, spec: ObjectiveSpec, count: int) -> None:
        pass

    @override
    def dry_run(self, spec: ObjectiveSpec, config: Config, epochs: int) -> tuple[str, ...] | None:
        return None

    @override
    def earlier_trials(self, info: StudyInfo, space: Space) -> tuple[str, list[Trial]]:
        from mlflow_hpo.study.earlier import earlier_trials

        return earlier_trials(self._connection, info, space, self._say)


def open_study(
    space: Any = None,
    metric: Any = LOSS,
    *,
    resume: str | None = None,
    progress: bool = True,
    **settings: Any,
) -> OpenStudy:
    """Opens a study whose trials your own loop trains.

    It proposes configs and is told results; each trial is a nested run in MLflow, to which the loop may log
    what it likes, with `mlflow.start_run(run_id=trial.run_id)`. Close it at the end, or use it in a `with`.

    Args:
        space: as for `tune`.
        metric: what is told, with its direction if the name does not tell it: `"lag:minimize"`; or several.
        resume: a study to go on with, and its space and metric.
        progress: whether to print what happens.
        settings: of the search, as for `tune`: `algorithm`, `seed`, `constraints`, `start_from`, ...

    Raises:
        HpoError: what was given is wrong.
    """
    stack = ExitStack()
    with ExitStack() as undone:
        undone.push(stack)
        folder = stack.enter_context(temporary_folder())
        say = says(Console(quiet=not progress))
        if isinstance(space, str | Path):
            settings["space"] = str(space)
        given, settings = with_start(with_space(Given(Path(folder).resolve()), space), settings)
        stack.enter_context(store_errors())
        connection = Connection()
        begin = partial(_resumed, resume) if resume else partial(_begun, metric)
        run, planned = begin(settings, given, connection, say, stack)
        study = OpenStudy(run, planned, say, stack)
        undone.pop_all()
    return study


def _check_used(settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for a setting that a loop of one's own has no use for."""
    if vain := next((name for name in settings if name in OPTIONS and name not in USED), None):
        raise ConfigError(
            f"{vain.replace('_', '-')}: a loop of your own, which trains by itself, has no use for it: "
            f"it takes {', '.join(sorted(USED))}"
        )


def _begun(
    metric: Any,
    settings: Mapping[str, Any],
    given: Given,
    connection: Connection,
    say: Callable[[str], None],
    stack: ExitStack,
) -> tuple[StudyRun, StudyPlan]:
    _check_used(settings)
    if not given.space_text and not settings.get("space"):
        raise ConfigError("space: a loop of your own brings none: give its hyperparameters")
    own = {"metric": metric, "model": OWN_LOOP, "workers": 0, "top_k": 1}
    own = {"max_trials": LARGEST_GRID, **settings, **own}
    planned = plan(read_settings(own), given, _Nobody(connection, say))
    run = new_study(connection, planned.tags, given_run(connection, None)[1])
    stack.enter_context(run.driven(say, lambda: None))
    info = planned.info
    remember(run.run_id, info)
    run.begin(info.settings.dump(), info.record(), info.params(), planned.space_text, planned.start_text)
    return run, planned


def _resumed(
    name: str,
    settings: Mapping[str, Any],
    given: Given,
    connection: Connection,
    say: Callable[[str], None],
    stack: ExitStack,
) -> tuple[StudyRun, StudyPlan]:
    run = find_study(connection, name)
    if info_of(run).settings.model != OWN_LOOP:
        raise StudyError(f"study {run.run_id} was not opened by open_study: resume it as it began")
    _check_used(settings)
    check_trusted(run, info_of(run), settings, given, "", say)
    options = {key: value for key, value in settings.items() if value != FROM_PYTHON}
    asked = resumed_settings(run, options)
    planned = plan(asked, given_again(run, asked, settings, given), _Nobody(connection, say))
    stack.enter_context(run.driven(say, lambda: None))
    run.drive_again(planned.info.settings.dump(), planned.info.record())
    return run, planned
