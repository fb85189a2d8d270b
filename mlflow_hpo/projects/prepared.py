"""A project that is ready to run: fetched, checked, its environment built."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self


@dataclass(frozen=True)
class Prepared:
    """What a worker must know to run the entry point with a config.

    Attributes:
        folder: where the project is.
        activate: the shell command that activates its environment; empty where there is none.
        fixed: parameters that are not searched, as they were given.
        constants: every parameter that is not searched, defaults included: what is logged on each trial.
        defaults: of the parameters that are searched, as far as they have one.
        takes: the names that a space may hold; None: any.
        resource: the parameter that is the budget; empty where steps are.
        at: see `ProjectSpec`.
        storage: a folder for what parameters of type `path` download.
    """

    folder: str
    entry_point: str
    activate: str
    at: str
    resource: str
    storage: str
    fixed: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[str, ...] | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """The inverse of `text`."""
        known = json.loads(text)
        return cls(**{**known, "takes": None if known["takes"] is None else tuple(known["takes"])})

    @property
    def text(self) -> str:
        """As JSON: what a `ObjectiveSpec` holds."""
        return json.dumps(asdict(self))

    def command(self, config: Mapping[str, Any]) -> str:
        """The shell command that runs a config: MLflow's own, with MLproject's defaults and quoting."""
        values = {name: str(value) for name, value in config.items()}
        downloads = tempfile.mkdtemp(dir=self.storage)  # MLflow wants one that is empty
        command = str(self._entry.compute_command({**self.fixed, **values}, downloads))
        return f"{self.activate} && {command}" if self.activate else command

    @cached_property
    def _entry(self) -> Any:
        from mlflow.projects.utils import load_project

        return load_project(self.folder).get_entry_point(self.entry_point)
