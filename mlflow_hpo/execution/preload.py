"""Imports libraries in the process that workers are forked from, before the first fork.

Only libraries: no user's code, no data, nothing that begins a thread or touches a GPU, for a fork keeps none
of them. It happens when this module is imported, as that is all that `multiprocessing` can be asked to do.
"""

import gc
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import TracebackType

ORDER = "MLFLOW_HPO_PRELOAD"  # the environment variable that says what is to be done
ALONE = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # of Arrow, which pandas loads
inherited = set(os.environ)  # the variables that no library of this process has set
loaded_with: dict[str, str] = {}  # what `Preload.environment` was here


@dataclass(frozen=True)
class Preload:
    """What is to be loaded.

    Attributes:
        modules: to import; one that cannot be imported is left to the workers, who can tell why.
        environment: set before that.
    """

    modules: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def order(self) -> str:
        """Returns what `ORDER` is set to, by the driver."""
        return json.dumps({**asdict(self), "path": sys.path})


@contextmanager
def silence() -> Iterator[None]:
    """Closes the error stream: TensorFlow greets on it while it loads, whatever its settings say."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def set_environment(environment: Mapping[str, str]) -> None:
    """Makes this process's environment that of another; what libraries have set is kept."""
    for name in inherited - environment.keys():
        os.environ.pop(name, None)
    os.environ.update(environment)


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Shows what went wrong, but not that a driver which ends has removed what a new worker opens."""
    if not issubclass(kind, OSError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _load(modules: Sequence[str], environment: Mapping[str, str], path: list[str]) -> None:
    sys.path[:] = path  # the driver's: what lies in the working folder is not to pass for a library
    os.environ.update(environment)
    inherited.update(environment)
    loaded_with.update(environment)
    added = {name: value for name, value in ALONE.items() if name not in os.environ}
    os.environ.update(added)
    gc.disable()  # collections would take a fourth of the time, and find little
    with silence():
        for module in modules:
            with suppress(Exception):
                import_module(module)
    for name in added:
        del os.environ[name]
    gc.freeze()  # to collect these would write to every object, and so end the sharing of their memory
    gc.enable()
    sys.excepthook = _show  # until a worker runs


if ORDER in os.environ:
    _load(**json.loads(os.environ.pop(ORDER)))
