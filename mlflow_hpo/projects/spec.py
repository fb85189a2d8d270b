"""Names the project that a study tunes, as `mlflow run` would be given it."""

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mlflow_hpo.errors import without_passwords

MAIN = "main"


class ProjectSpec(BaseModel):
    """Names a project's entry point, as a study stores it for a resume.

    Attributes:
        uri: a folder, a git URI or an archive, `#` before a folder within.
        parameters: values of parameters that are not searched.
        version: a commit or branch, if `uri` is a git URI.
        env_manager: as for `mlflow run`; None: what the project's files ask for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str
    entry_point: str = MAIN
    parameters: dict[str, str] = {}
    version: str | None = None
    env_manager: Literal["local", "virtualenv", "uv", "conda"] | None = None

    @property
    def name(self) -> str:
        """Returns a name for people: the folder's, and the entry point unless it is `main`."""
        uri = without_passwords(self.uri)
        name = PurePosixPath(uri.replace("#", "/").rstrip("/")).name or uri
        return name if self.entry_point == MAIN else f"{name}:{self.entry_point}"


def given_project(uri: str, **rest: Any) -> Mapping[str, Any]:
    """Returns the value of the setting `project`: a folder by its absolute path, empty values left out."""
    root, mark, below = uri.strip("'\"").partition("#")
    root = os.path.abspath(root) if os.path.exists(root) else root  # noqa: PTH100, PTH110
    return {"uri": root + mark + below} | {k: v for k, v in rest.items() if v not in (None, "")}
