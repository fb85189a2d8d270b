"""A study from Python: `tune(model, space, data)` in a script or a notebook."""

import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mlflow_hpo.errors import ConfigError, HpoError, StudyError
from mlflow_hpo.study.kernel import in_notebook, without_widgets
from mlflow_hpo.trial import Config, Trial, best

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pandas as pd

    from mlflow_hpo.store.registrations import Registration
    from mlflow_hpo.study.driver import Observer, Study
    from mlflow_hpo.study.lifecycle import Shown

GIVEN_DATA = "given:data"


def tune(
    model: Any,
    space: Any = None,
    data: Any = None,
    *,
    resume: str | None = None,
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
        data: a data set's name, a file, or arrays, a DataFrame, `tf.data.Dataset`s: what a function that is
            named as `data` may return.
        resume: a study that began with the same model, space and data, to go on with.
        progress: whether to show what happens.
        settings: the command line's options, with underscores: `algorithm="gp"`, `max_trials=50`, ...

    Raises:
        HpoError: what was given is wrong, or the study could not go on.
    """
    folder = tempfile.TemporaryDirectory(prefix="mlflow-hpo-", ignore_cleanup_errors=True)
    names, places = _placed(
        model, space, data, settings.get("target_column") or settings.get("target"), folder
    )
    options = {**settings, **names}
    shown = _notebook() if progress and in_notebook() else None
    console = Console(quiet=not progress, force_jupyter=False)  # in a notebook, plain lines below the block
    try:
        study = _driven(resume, options, places, space, console, shown)
    except HpoError as error:
        raise error from None  # what a worker said is in its one line
    return TunedStudy(study, places, folder)


def _driven(
    resume: str | None,
    options: dict[str, Any],
    places: dict[str, str],
    space: Any,
    console: Console,
    shown: Any,
) -> "Study":
    from mlflow_hpo.inputs import Request
    from mlflow_hpo.study.lifecycle import begin, go_on

    if resume is None:
        return begin(Request.from_options(options, places, _text(space)), console, shown)
    return go_on(resume, options, console, shown, places, _text(space))


class TunedStudy:
    """A study that has ended.

    Attributes:
        trials: every trial, by number.
    """

    def __init__(self, study: "Study", places: dict[str, str], folder: Any) -> None:
        """Made by `tune`; keeps what was given until it is no longer used."""
        self._run, self._settings, self._places = study.run, study.settings, places
        self._done = weakref.finalize(self, folder.cleanup)
        self.trials: list[Trial] = study.known

    @property
    def run_id(self) -> str:
        """The study's run in MLflow."""
        return str(self._run.run_id)

    @property
    def best_trial(self) -> Trial:
        """The best trial.

        Raises:
            StudyError: none finished.
        """
        winner = best(self.trials)
        if winner is None:
            raise StudyError(f"study {self.run_id} has no finished trial")
        return winner

    @property
    def best_config(self) -> Config:
        """The best trial's hyperparameters."""
        return dict(self.best_trial.config)

    @property
    def best_value(self) -> float:
        """The metric of the best trial."""
        loss = self.best_trial.loss
        assert loss is not None
        return self._settings.value(loss)

    def best_model(self) -> Any:
        """The best model, as its framework has it; after a final training, the one from there.

        Raises:
            StudyError: there is none.
        """
        from mlflow_hpo.store import load_native

        final = self._run.final
        uri = final[2] if final and final[0] == self.best_trial.number else self.best_trial.model_uri
        if not uri:
            raise StudyError(
                f"trial {self.best_trial.number}, the best, logged no model: trial.log_model logs one"
            )
        return load_native(uri, self._run.connection.uri)

    def trials_dataframe(self) -> "pd.DataFrame":
        """The ranking: one row for each trial, best first (see `report.ranking.rank`)."""
        from mlflow_hpo.report.ranking import rank

        return rank(self._settings, self.trials)

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
        """
        from mlflow_hpo.registry import Way
        from mlflow_hpo.store import store_errors
        from mlflow_hpo.study.lifecycle import register_best

        way = Way(name, alias or self._settings.alias, force, dry_run)
        with store_errors():
            return register_best(self._run, self._settings, self.trials, way, Console())

    def __repr__(self) -> str:
        from mlflow_hpo.report.summary import headline

        return f"<study {self._run.name} ({self.run_id}): {headline(self._settings, self.trials)}>"


def _placed(
    model: Any, space: Any, data: Any, target: Any, folder: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the settings call model and data, and where the workers find those that were given as they are."""
    from mlflow_hpo.data import save_given as save_data
    from mlflow_hpo.user_code import GIVEN, save_given

    place = Path(folder.name)
    names: dict[str, Any] = {"model": model, "data": data}
    places = {}
    if not isinstance(model, str):
        places["model"] = save_given(_with_structure(model, space), place)
        names["model"] = GIVEN + getattr(model, "__name__", type(model).__name__)
    if data is not None and not isinstance(data, str | Path):
        column = target if isinstance(target, str) else None
        places["data"] = save_data(data, place, column)
        names["data"] = GIVEN_DATA
    elif data is not None:
        names["data"] = str(data)
    return {name: value for name, value in names.items() if value is not None}, places


def _with_structure(model: Any, space: Any) -> Any:
    """A function of Hyperopt's: it takes what the expression gives, nested as it may be."""
    from mlflow_hpo.objectives.function import CONFIG_FORM, FunctionObjective, form_of
    from mlflow_hpo.space import Structure, is_expression

    if not is_expression(space):
        return model
    if not callable(model) or form_of(model) != CONFIG_FORM:
        raise ConfigError(
            f"space: a Hyperopt expression is for a function of what it gives, not for model {model!r:.60}"
        )
    return FunctionObjective(model, CONFIG_FORM, Structure(space))


def _text(space: Any) -> str:
    from mlflow_hpo.space import space_text

    return "" if space is None else space_text(space)


def _notebook() -> "Shown":
    """What shows a study in a notebook."""
    without_widgets()

    def shown(console: Console) -> "AbstractContextManager[Observer]":
        from mlflow_hpo.study.notebook import NotebookDisplay

        return NotebookDisplay(console)

    return shown
