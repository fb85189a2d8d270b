"""Which project a study tunes: what `mlflow run` would be given."""

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

MAIN = "main"


class ProjectSpec(BaseModel):
    """A project's entry point, as a study records it and a resume finds it again.

    Attributes:
        uri: a folder, a git URI or an archive, `#` before a folder within.
        parameters: those that are fixed, and not searched.
        version: a commit or branch, of a git URI.
        env_manager: as for `mlflow run`; None: by the project's own files.
        at: which of the metric's values counts, the `last` or the `best`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    entry_point: str = MAIN
    parameters: dict[str, str] = {}
    version: str | None = None
    env_manager: Literal["local", "virtualenv", "uv", "conda"] | None = None
    at: Literal["last", "best"] = "last"

    @property
    def name(self) -> str:
        """For people: the folder's name, and the entry point where it is not `main`."""
        name = PurePosixPath(self.uri.replace("#", "/").rstrip("/")).name or self.uri
        return name if self.entry_point == MAIN else f"{name}:{self.entry_point}"


def given_project(uri: str, **rest: Any) -> Mapping[str, Any]:
    """A project as the setting `project` holds it: a folder by its full path, what is not given left out."""
    place, mark, below = uri.strip("'\"").partition("#")
    place = os.path.abspath(place) if os.path.exists(place) else place  # noqa: PTH100, PTH110
    return {"uri": place + mark + below} | {k: v for k, v in rest.items() if v not in (None, "")}
