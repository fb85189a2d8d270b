"""What a study is given: settings, model, space, points to try first, an earlier study to learn from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.text import Text

from mlflow_hpo.algorithms import GRID, grid_size, is_on_grid, warm_trials
from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.models import ModelInfo, find_model
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.resolve import check_space, resolved
from mlflow_hpo.settings import Settings, make_settings, read_settings
from mlflow_hpo.space import Space, dump_space, load_given, load_space, parse_given, parse_space, same
from mlflow_hpo.trial import Config, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store import Connection, StudyRun

ALL = "all"  # as max_trials: the whole grid
LARGEST_GRID = 10_000
MEASURE = {  # what a loss is measured on, by the options' names
    **{name: name for name in ("model", "data", "fraction", "folds", "repeats", "resource")},
    "target": "target_column",
    "data-seed": "split_seed",
}
SHOWN = 5  # trials of an earlier study that do not fit, by name
NAMED_DATA = DataInfo(task="classification")  # of the named data sets

Describe = Callable[[ObjectiveSpec, str], tuple[ModelInfo, DataInfo]]


@dataclass(frozen=True)
class Request:
    """What was asked for, checked as far as nothing has to be loaded.

    Attributes:
        space_text: the space that was given, as YAML; empty: the model's own.
        first: the configs that were given, as YAML.
    """

    settings: Settings
    whole_grid: bool
    space_text: str
    first: str

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], places: Mapping[str, str] | None = None, space_text: str = ""
    ) -> Self:
        """Read and check the options of a new study.

        Args:
            places: see `make_settings`.
            space_text: the space, where it is not in a file.

        Raises:
            ConfigError: something is wrong with them.
        """
        settings, whole_grid = _counted(options, places)
        text = load_space(settings.space)[1] if settings.space else space_text
        if text:
            parse_space(text, settings.space or "space")
        first = load_given(settings.start_from) if settings.start_from else ""
        return cls(settings, whole_grid, text, first)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a study, complete.

    Attributes:
        given: configs to be tried first.
        texts: the space and the given configs as they were written.
        earlier: the trials of another study that inform the algorithm.
        sure: whether training is known to report the metric.
    """

    settings: Settings
    model: ModelInfo
    space: Space
    given: list[Config]
    texts: tuple[str, str]
    earlier: tuple[Trial, ...] = ()
    sure: bool = True

    @classmethod
    def of(cls, request: Request, look: Describe | None = None) -> Self:
        """Those of a request.

        Args:
            look: loads the user's model and data, to tell what they are.

        Raises:
            HpoError: they cannot be loaded, or do not fit.
        """
        settings = request.settings
        model, data_info = _known(settings) if look is None else look(settings.spec, settings.model)
        text = request.space_text or model.space_text
        if not text:
            raise ConfigError(
                f"space: model {settings.model!r} brings none: name a YAML file with its hyperparameters"
            )
        space = parse_space(text, settings.space or f"{settings.model}.yaml")
        check_space(settings, model, space)
        settings = resolved(settings, model, data_info, space)
        given = _given(model, space, request.first, settings.start_from or "")
        if settings.algorithm == GRID:
            first = [model.baseline(space), *given]
            most = _whole(settings, space, first, request.whole_grid)
            settings = settings.model_copy(update={"max_trials": most})
        _check_room(settings, len(given))
        return cls(settings, model, space, given, (text, request.first))

    @classmethod
    def from_study(
        cls,
        run: "StudyRun",
        options: Mapping[str, Any],
        look: Describe,
        places: Mapping[str, str] | None = None,
        space_text: str = "",
    ) -> Self:
        """Those of a study that goes on; options that are None stay as they were.

        Args:
            space_text: the space as it is given anew, where it is not in a file; empty: that of the study.
        """
        from mlflow_hpo.store import keys

        settings, whole_grid = _counted(anew(run.settings, options), places)
        space = parse_space(run.space_text, keys.SPACE_FILE)
        if options.get("space"):
            check_same_space(run, load_space(options["space"])[0], options["space"])
        elif space_text:
            check_same_space(run, parse_space(space_text, "space"), "the one given now")
        model, _ = _known(settings) if settings.is_known else look(settings.spec, settings.model)
        first = _first_text(run, options.get("start_from"))
        given = _given(model, space, first, keys.START_FILE)
        if whole_grid:
            most = _whole(settings, space, [model.baseline(space), *given], wanted=True)
            settings = settings.model_copy(update={"max_trials": most})
        return cls(settings, model, space, given, (run.space_text, first))

    def as_begun(self, run: "StudyRun") -> Self:
        """With the run id of the earlier study, whose name, or `latest`, may mean another one by now."""
        from mlflow_hpo.store import LATEST, find_study

        given, known = self.settings.warm_start, run.settings.get("warm_start")
        if not (given and known) or given not in (LATEST, find_study(run.connection, known).name):
            return self
        return replace(self, settings=self.settings.model_copy(update={"warm_start": known}))

    def warmed(self, connection: "Connection", console: Console) -> Self:
        """With the trials of the earlier study; says which of them do not fit.

        Raises:
            StudyError: there is no such study, or its metric or direction is another one.
        """
        from mlflow_hpo.store import find_study

        if not self.settings.warm_start:
            return self
        study = find_study(connection, self.settings.warm_start)
        other = read_settings(study.settings)
        aims = [f"{'maximise' if s.maximize else 'minimise'}d {s.metric}" for s in (other, self.settings)]
        if aims[0] != aims[1]:
            raise StudyError(f"warm-start: study {study.name} {aims[0]}, this one {aims[1]}")
        own, theirs = (one.make_scheduler().plan.rungs for one in (self.settings, other))
        only = None if self.settings.is_scored_at_any else own
        trials = study.trials.load()
        kept, notes = warm_trials(trials, self.space, self.settings.epochs, {*own, *theirs}, only)
        _say_what_fits(console, study.name, len(kept), notes)
        for name, field in MEASURE.items():
            there, here = getattr(other, field), getattr(self.settings, field)
            if there != here:
                words = f"  mind: its losses are another measure: {name} was {there}, here it is {here}"
                console.print(Text(words), soft_wrap=True)
        settings = self.settings.model_copy(update={"warm_start": study.run_id})
        return replace(self, settings=settings, earlier=tuple(kept))


def anew(known: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A study's settings with the options that are given anew; those that are None stay as they were."""
    return {**known, **{k: v for k, v in options.items() if v is not None}}


def _first_text(run: "StudyRun", anew: str | None) -> str:
    """The configs to try first: as the file that is given anew has them, or as the study keeps them."""
    if anew:
        return load_given(anew)
    return run.start_text if run.settings.get("start_from") else ""


def check_same_space(run: "StudyRun", space: Space, source: str) -> None:
    """Raise StudyError where the space, which `source` names, is not that of the study."""
    if dump_space(space) != dump_space(parse_space(run.space_text, "space")):
        raise StudyError(f"study {run.run_id} began with another space than {source}")


def countable(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with a number of trials, even where that is the whole grid."""
    whole_grid = options.get("max_trials") == ALL
    return {**options, "max_trials": LARGEST_GRID} if whole_grid else {**options}


def _counted(options: Mapping[str, Any], places: Mapping[str, str] | None) -> tuple[Settings, bool]:
    """The settings, and whether the whole grid is asked for."""
    settings = make_settings(countable(options), places)
    whole_grid = options.get("max_trials") == ALL
    if whole_grid and settings.algorithm != GRID:
        raise ConfigError(f"max-trials: {ALL!r} is for the algorithm grid, not for {settings.algorithm!r}")
    return settings, whole_grid


def _known(settings: Settings) -> tuple[ModelInfo, DataInfo]:
    return find_model(settings.model), NAMED_DATA


def _given(model: ModelInfo, space: Space, text: str, source: str) -> list[Config]:
    """Those that are given, each once: none that is the baseline, trial 0."""
    known: list[Config] = [model.baseline(space)]
    for config in parse_given(text, source, space, model.defaults) if text else ():
        if not any(same(config, one) for one in known):
            known.append(config)
    return known[1:]


def _check_room(settings: Settings, given: int) -> None:
    """Raise ConfigError where not all of the given configs would be tried."""
    most, plan = settings.max_trials, settings.make_scheduler().plan
    if given >= most:
        raise ConfigError(
            f"start-from: {given} configs and the baseline are more than max-trials, {most}: "
            f"give {given + 1} trials at least"
        )
    if plan.fresh is not None and given >= plan.fresh:
        raise ConfigError(
            f"start-from: {given} configs and the baseline are more than the population of {plan.fresh} "
            f"that {settings.scheduler!r} has for {most} trials: give more trials, or fewer configs"
        )


def _whole(settings: Settings, space: Space, first: Sequence[Config], wanted: bool) -> int:
    """How many trials the grid takes, with those that come first and are not on it; at most max_trials.

    Args:
        wanted: whether it was asked for as a whole.
    """
    size = grid_size(space, settings.grid_points)
    if wanted and size > LARGEST_GRID:
        raise ConfigError(
            f"max-trials: the grid has {size:,} combinations, and {ALL!r} is for {LARGEST_GRID:,} at most: "
            "give a number, or fewer grid-points"
        )
    whole = size + sum(not is_on_grid(space, config, settings.grid_points) for config in first)
    return whole if wanted else min(whole, settings.max_trials)


def _say_what_fits(console: Console, name: str, kept: int, notes: list[str]) -> None:
    console.print(Text(f"warm start from {name}: {kept} of {kept + len(notes)} trials"))
    for note in notes[:SHOWN]:
        console.print(Text(f"  left out: {note}"), soft_wrap=True)
    if len(notes) > SHOWN:
        console.print(Text(f"  and {len(notes) - SHOWN} more"))
