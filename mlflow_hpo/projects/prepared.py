"""Describes a project that is ready to run: fetched, checked, its environment built."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Self


@dataclass(frozen=True)
class Prepared:
    """Holds what a worker must know to run the entry point with a config.

    Attributes:
        folder: where the project is.
        activate: the shell command that activates its environment; empty if it has none.
        fixed: the values that the user gave to parameters that are not searched.
        constants: all parameters that are not searched, defaults included: logged on each trial.
        defaults: defaults of the searched parameters that have one.
        takes: the names that a space may hold; None: any.
        resource: the parameter that is a trial's budget; empty if the budget is in steps.
        storage: a folder for downloads of parameters of type `path`.
    """

    folder: str
    entry_point: str
    activate: str
    resource: str
    storage: str
    fixed: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[str, ...] | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Returns the project that `text` was made from."""
        fields = json.loads(text)
        return cls(**{**fields, "takes": None if fields["takes"] is None else tuple(fields["takes"])})

    @property
    def text(self) -> str:
        """Returns it as JSON, which an `ObjectiveSpec` holds."""
        return json.dumps(asdict(self))

    def command(self, config: Mapping[str, Any]) -> str:
        """Returns MLflow's shell command for a config, with MLproject's defaults and quoting."""
        values = {name: self._text_of(name, value) for name, value in config.items()}
        downloads = tempfile.mkdtemp(dir=self.storage)  # MLflow wants one that is empty
        command = str(self._entry.compute_command({**self.fixed, **values}, downloads))
        return f"{self.activate} && {command}" if self.activate else command

    def _text_of(self, name: str, value: Any) -> str:
        """Returns a value as MLproject declares it: a whole number as a float, where it says so."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        parameter = self._entry.parameters.get(name)
        return str(float(value)) if is_whole and parameter and parameter.type == "float" else str(value)

    @cached_property
    def _entry(self) -> Any:
        from mlflow.projects.utils import load_project

        return load_project(self.folder).get_entry_point(self.entry_point)
