"""What a study is given: its settings, its space, points to try first, an earlier study to learn from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.text import Text

from mlflow_hpo.algorithms import GRID, grid_size, warm_trials
from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.settings import Settings, make_settings
from mlflow_hpo.space import Space, load_given, load_space, parse_given, parse_space
from mlflow_hpo.trial import Config, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store import Connection, StudyRun

ALL = "all"  # as max_trials: the whole grid
LARGEST_GRID = 10_000
SHOWN = 5  # trials of an earlier study that do not fit, by name


@dataclass(frozen=True)
class Inputs:
    """The inputs of a study, checked.

    Attributes:
        given: configs to be tried first.
        texts: the space and the given configs as they were written.
        earlier: the trials of another study that inform the algorithm.
    """

    settings: Settings
    space: Space
    given: list[Config]
    texts: tuple[str, str]
    earlier: tuple[Trial, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Those of a new study.

        Raises:
            ConfigError: something is wrong with them.
        """
        whole_grid = options.get("max_trials") == ALL
        settings = make_settings({**options, "max_trials": 1} if whole_grid else dict(options))
        text = load_space(settings.space)[1] if settings.space else settings.found_model.space_text
        space = parse_space(text, settings.space or f"{settings.model}.yaml")
        settings.check_space(space)
        first = load_given(settings.start_from) if settings.start_from else ""
        given = _given(settings, space, first, settings.start_from or "")
        if whole_grid:
            settings = settings.model_copy(update={"max_trials": _whole(settings, space) + len(given) + 1})
        return cls(settings, space, given, (text, first))

    @classmethod
    def from_study(cls, run: "StudyRun", options: Mapping[str, Any]) -> Self:
        """Those of a study that goes on; options that are None stay as they were."""
        from mlflow_hpo.store import keys

        settings = make_settings(run.settings | {k: v for k, v in options.items() if v is not None})
        text = load_space(settings.space or "")[1] if options.get("space") else run.space_text
        space = parse_space(text, keys.SPACE_FILE)
        first = run.start_text if settings.start_from else ""
        return cls(settings, space, _given(settings, space, first, keys.START_FILE), (text, first))

    def as_begun(self, run: "StudyRun") -> Self:
        """With the run id of the earlier study, which may have been given as a name or as `latest`."""
        known = run.settings.get("warm_start")
        if not (self.settings.warm_start and known):
            return self
        return replace(self, settings=self.settings.model_copy(update={"warm_start": known}))

    def warmed(self, connection: "Connection", console: Console) -> Self:
        """With the trials of the earlier study; says which of them do not fit.

        Raises:
            StudyError: there is no such study, or its metric is another one.
        """
        from mlflow_hpo.store import earlier_trials, find_study

        if not self.settings.warm_start:
            return self
        study = find_study(connection, self.settings.warm_start)
        other = make_settings(study.settings)
        if (other.metric, other.maximize) != (self.settings.metric, self.settings.maximize):
            raise StudyError(
                f"warm-start: study {study.name} optimised {other.metric}, this one {self.settings.metric}"
            )
        kept, notes = warm_trials(earlier_trials(study), self.space, self.settings.max_epochs)
        _say_what_fits(console, study.name, len(kept), notes)
        if (other.data, other.split_seed) != (self.settings.data, self.settings.split_seed):
            split = f"{other.data} split by {other.split_seed}"
            console.print(Text(f"  mind: its losses are on other data, {split}"), soft_wrap=True)
        settings = self.settings.model_copy(update={"warm_start": study.run_id})
        return replace(self, settings=settings, earlier=tuple(kept))


def _given(settings: Settings, space: Space, text: str, source: str) -> list[Config]:
    return list(parse_given(text, source, space, settings.found_model.defaults)) if text else []


def _whole(settings: Settings, space: Space) -> int:
    if settings.algorithm != GRID:
        raise ConfigError(f"max-trials: {ALL!r} is for the algorithm grid, not for {settings.algorithm!r}")
    size = grid_size(space, settings.grid_points)
    if size > LARGEST_GRID:
        raise ConfigError(
            f"max-trials: the grid has {size:,} combinations, and {ALL!r} is for {LARGEST_GRID:,} at most: "
            "give a number, or fewer grid-points"
        )
    return size


def _say_what_fits(console: Console, name: str, kept: int, notes: list[str]) -> None:
    console.print(Text(f"warm start from {name}: {kept} of {kept + len(notes)} trials"))
    for note in notes[:SHOWN]:
        console.print(Text(f"  left out: {note}"), soft_wrap=True)
    if len(notes) > SHOWN:
        console.print(Text(f"  and {len(notes) - SHOWN} more"))
