"""What must be there before a study's workers start: a project, fetched and with its environment."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.settings import Settings
from mlflow_hpo.space import parse_space


@dataclass(frozen=True)
class Ready:
    """A study's settings, and what was made ready for it.

    Attributes:
        places: where the workers find it (see `make_settings`).
        tags: of the study's run: where the project came from.
    """

    settings: Settings
    places: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def ready(settings: Settings, space_text: str) -> Iterator[Ready]:
    """Make ready what the settings name; what is fetched is removed afterwards.

    Raises:
        ConfigError: it cannot be had, or does not fit the space.
    """
    if settings.project is None:
        yield Ready(settings)
        return
    if not space_text:
        raise ConfigError("space: a project brings none: name a YAML file over its entry point's parameters")
    with tempfile.TemporaryDirectory(prefix="mlflow-hpo-", ignore_cleanup_errors=True) as folder:
        yield _prepared(settings, space_text, Path(folder).resolve())


def _prepared(settings: Settings, space_text: str, folder: Path) -> Ready:
    from mlflow_hpo.projects.prepare import budget, pinned, prepare, source_tags

    assert settings.project is not None
    resource = "" if settings.resource == "auto" else settings.resource
    space = parse_space(space_text, settings.space or "space")
    project = prepare(settings.project, space, resource, folder)
    places = {"project": project.text}
    epochs = settings.max_epochs or budget(project)
    if epochs is None:
        raise ConfigError(
            f"max-epochs: give the largest {resource} of a trial: the project has no whole default"
        )
    now = {"project": pinned(settings.project, project, folder), "max_epochs": epochs}
    complete = settings.placed(**places).model_copy(update=now)
    return Ready(complete, places, source_tags(settings.project, project))
