"""What runs in the process that workers are forked from, before the first fork: libraries are imported.

Only libraries: no user's code, no data, nothing that begins a thread or touches a GPU, for a fork keeps none
of them. The module does its work when it is imported, as `multiprocessing.forkserver` can import and no more.
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

ORDER = "MLFLOW_HPO_TEMPLATE"  # the environment variable that says what is to be done
ALONE = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # of Arrow, which pandas loads


@dataclass(frozen=True)
class Preload:
    """What is done there.

    Attributes:
        modules: to import; one that cannot be imported is left to the workers, who can tell why.
        environment: set before that, and kept.
    """

    modules: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def order(self) -> str:
        """What `ORDER` is set to, by the driver."""
        return json.dumps({**asdict(self), "path": sys.path})


@contextmanager
def silence() -> Iterator[None]:
    """TensorFlow's libraries greet on the error stream while they load, whatever its settings say."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _load(modules: Sequence[str], environment: Mapping[str, str], path: list[str]) -> None:
    sys.path[:] = path  # the driver's: what lies in the working folder is not to pass for a library
    os.environ.update(environment)
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


if ORDER in os.environ:
    _load(**json.loads(os.environ.pop(ORDER)))
