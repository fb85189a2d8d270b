"""A user's own code by name: `package.module:attribute` or `path/to/file.py:attribute`.

What is given from Python is written down for the workers, and is then named `given:PATH`.
"""

import pickle
import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from mlflow_hpo.errors import ConfigError, worded

GIVEN = "given:"
SUFFIX = ".code"
FORMS = "package.module:NAME or path/to/file.py:NAME"


def is_reference(text: str) -> bool:
    """Whether the text has the form of a reference."""
    return ":" in text


def save_given(code: Any, folder: Path) -> str:
    """Write a function, class or object for other processes.

    Args:
        folder: of the driver's own; whoever gives it removes it.

    Raises:
        ConfigError: it cannot be pickled.
    """
    import cloudpickle

    try:
        content = cloudpickle.dumps(code)
    except Exception as error:  # whatever the object raises
        raise ConfigError(f"model {code!r} cannot be sent to the workers: {error}") from None
    file = folder.resolve() / f"{sha256(content).hexdigest()[:12]}{SUFFIX}"
    file.write_bytes(content)
    return f"{GIVEN}{file}"


def check_reference(text: str, what: str) -> None:
    """Raise ConfigError where a reference is malformed or its file is missing; nothing is imported."""
    if text.startswith(GIVEN):
        if not (text.endswith(SUFFIX) and Path(text.removeprefix(GIVEN)).is_file()):
            raise ConfigError(f"{what} {text!r} was given from Python, and is to be given again from there")
        return
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise ConfigError(f"{what} {text!r} is malformed: expected {FORMS}")
    if place.endswith(".py") and not Path(place).is_file():
        raise ConfigError(f"{what} {text!r} cannot be loaded: there is no file {place!r}")


def load_reference(text: str, what: str) -> Any:
    """What a reference names, from a file, the working folder or an installed package.

    Args:
        what: what it is wanted for, to be named in errors.

    Raises:
        ConfigError: it cannot be loaded, whatever the user's module raises meanwhile.
    """
    check_reference(text, what)
    if text.startswith(GIVEN):
        return pickle.loads(Path(text.removeprefix(GIVEN)).read_bytes())
    place, _, name = text.rpartition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    except SystemExit:
        raise ConfigError(
            f"{what} {text!r} cannot be imported: it ends the process; put what is to run as a script "
            "below if __name__ == '__main__'"
        ) from None
    except Exception as error:
        raise ConfigError(f"{what} {text!r} cannot be imported: {worded(error)}") from error
    if not hasattr(module, name):
        there = ", ".join(sorted(n for n in vars(module) if not n.startswith("_"))[:20])
        raise ConfigError(
            f"{what} {text!r} does not exist: {place!r} has no {name!r}, but {there or 'nothing'}"
        )
    return getattr(module, name)


def _from_package(name: str) -> ModuleType:
    _findable(Path.cwd())
    return import_module(name)


def _from_file(file: Path) -> ModuleType:
    """The file as a module; its folder is searched for what it imports, as when it is run as a script."""
    file = file.resolve()
    name = file.stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(file):
        return known
    if known is not None:  # another module has this name already
        name = f"{name}_{sha256(str(file).encode()).hexdigest()[:8]}"
    _findable(file.parent)
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _findable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
