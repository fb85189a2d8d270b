"""A study from Python: `tune(model, space, data)` in a script or a notebook."""

import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import Interrupted, StudyError, alone
from mlflow_hpo.execution.folders import temporary_folder
from mlflow_hpo.study.console import Output
from mlflow_hpo.study.found import StudyResults
from mlflow_hpo.study.from_python import (
    check_folds_of_project,
    given_content,
    with_client,
    with_code,
    with_space,
    with_splits,
    with_start,
)
from mlflow_hpo.study.notebook import NotebookDisplay, in_notebook, without_widgets

if TYPE_CHECKING:
    from mlflow_hpo.store.registrations import Registration
    from mlflow_hpo.study.driver import Study
    from mlflow_hpo.study.source import Given


def tune(
    model: Any,
    space: Any = None,
    data: Any = None,
    *,
    resume: str | None = None,
    retry_failed: bool = False,
    take_over: bool = False,
    trust: str = "",
    progress: bool = True,
    **settings: Any,
) -> "TunedStudy":
    """Search the hyperparameters of a model; each trial becomes a nested run in MLflow.

    Args:
        model: a built-in model's name, a reference to code, or the thing itself: a function that returns a
            compiled Keras model or an estimator, a KerasTuner hypermodel, an estimator, `objective(trial)`,
            or a function of a config that returns a number.
        space: a YAML file, a dict of lists and distributions, or a Hyperopt expression; None: the model's
            own.
        data: a data set's name, a file, or arrays, a DataFrame, `tf.data.Dataset`s, `PyDataset`s; or a
            function that returns them.
        resume: a study that began with the same model, space and data, to go on with.
        retry_failed: whether a resume trains the failed trials again.
        take_over: whether a resume takes the study from a machine that is known to be dead.
        trust: the digest of what a resume runs that is not given here, if another began the study.
        progress: whether to show what happens.
        settings: the command line's options, with underscores: `algorithm="gp"`, `max_trials=50`, ... The
            `metric` may be a scorer of scikit-learn's, or any function `(estimator, x, y)`; `callbacks` a
            list of Keras's, or a function that returns one; `start_from` a list of configs.

    Raises:
        HpoError: what was given is wrong, or the study could not go on.
    """
    shown = NotebookDisplay if progress and in_notebook() else None
    if shown:
        without_widgets()
    folder = temporary_folder()
    names, given = given_content(model, space, data, settings, Path(folder.name).resolve())
    given, settings = with_start(given, settings)
    given, settings = with_code(given, settings)
    given, settings = with_client(given, settings)
    console = Output(quiet=not progress, force_jupyter=False)  # in a notebook, plain lines below the block
    again = {"retry_failed": retry_failed, "take_over": take_over, "trust": trust}
    try:
        with alone():
            study = _driven(resume, {**settings, **names}, given, console, shown, again)
    except BaseException:  # else its folder would stay as long as the traceback does
        folder.cleanup()
        raise
    return TunedStudy(study, given, folder)


def tune_project(
    uri: str,
    space: Any,
    metric: str,
    *,
    entry_point: str = "main",
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    env_manager: str | None = None,
    progress: bool = True,
    **settings: Any,
) -> "TunedStudy":
    """Search the parameters of a project's entry point; each trial is a process on a nested run of its own.

    Args:
        uri, entry_point, version, env_manager: as for `mlflow.run`.
        space: a YAML file, or a dict of lists and distributions, over the entry point's parameters.
        metric: what the project logs and is to be optimised.
        parameters: those that are fixed; they are not searched, whatever the space says.
        progress: whether to show what happens.
        settings: the command line's options, with underscores.

    Raises:
        HpoError: what was given is wrong, or the study could not go on.
    """
    from mlflow_hpo.projects.spec import given_project

    check_folds_of_project(settings.get("folds"))
    fixed = {name: str(value) for name, value in (parameters or {}).items()}
    project = given_project(
        uri, entry_point=entry_point, parameters=fixed, version=version, env_manager=env_manager
    )
    options = {**settings, "metric": metric, "project": project}
    with alone():
        tuned = run_project(options, space, progress)
    return TunedStudy(*tuned)


def run_project(
    options: Mapping[str, Any], space: Any, progress: bool = True
) -> tuple["Study", "Given", "tempfile.TemporaryDirectory[str]"]:
    """Runs a study of a project.

    Args:
        options: the settings, `project` among them.
        space: as for `tune_project`; None: a project brings none, which is said.
    """
    from mlflow_hpo.settings import read_settings
    from mlflow_hpo.study.lifecycle import start
    from mlflow_hpo.study.source import Given

    folder = temporary_folder()
    given, options = with_start(with_space(Given(Path(folder.name).resolve()), space), options)
    named = {"space": str(space)} if isinstance(space, str | Path) else {}
    study = start(read_settings({**options, **named}), Output(quiet=not progress), given)
    return study, given, folder


def _driven(
    resume: str | None,
    options: dict[str, Any],
    given: "Given",
    console: Output,
    shown: Any,
    again: dict[str, Any],
) -> "Study":
    from mlflow_hpo.settings import read_settings
    from mlflow_hpo.study import lifecycle

    given, options = with_splits(given, options, resume)
    if resume is None:
        return lifecycle.start(read_settings(options), console, given, shown)
    return lifecycle.resume(resume, options, console, given, shown, **again)


class TunedStudy(StudyResults):
    """A study that has ended."""

    def __init__(self, study: "Study", given: "Given", folder: Any) -> None:
        """Made by `tune`; keeps what was given until it is no longer used."""
        super().__init__(study.run, study.info, study.dispatcher.spec)
        self._given = given
        self._done = weakref.finalize(self, folder.cleanup)
        self._trials = study.known

    def best_model(self) -> Any:
        """The best model, as its framework has it; after a final training, the one from there.

        A Keras model is the one that your code builds, compiled, with the weights.

        Raises:
            StudyError: there is none.
        """
        from mlflow_hpo.study.best_model import native_model

        final = self._run.final
        uri = (
            final.model_uri if final and final.trial == self.best_trial.number else self.best_trial.model_uri
        )
        if not uri:
            number = self.best_trial.number
            raise StudyError(f"trial {number}, the best, logged no model: trial.log_model or MLflow logs one")
        return native_model(self._spec, self.best_trial, uri, self._run.connection.uri)

    def register(
        self, name: str, alias: str | None = None, force: bool = False, dry_run: bool = False
    ) -> "Registration | None":
        """Make the best model a version of `name`, and move the alias to it if it is better than its holder.

        Args:
            alias: None: the study's.
            force: move it whatever the comparison says.
            dry_run: only say what would happen; gives None.

        Raises:
            GateError: it is not better; nothing was registered.
            HpoError: see `report.registry.register`.
            KeyboardInterrupt: a signal came; no run is left running.
        """
        from mlflow_hpo.registry import RegistrationRequest
        from mlflow_hpo.store import store_errors
        from mlflow_hpo.study.registering import register_best

        request = RegistrationRequest(name, alias or self._info.settings.alias, force, dry_run)
        try:
            with alone(), store_errors():
                return register_best(self._run, self.trials, request, {}, Output(), self._given)
        except Interrupted as cut:
            raise KeyboardInterrupt(str(cut)) from None
