"""A user's own code: by a reference such as `path/to/file.py:NAME`, or by its content.

What is given from Python travels by content: a zip archive of its pickle and, where that refers to the user's
modules, of these: other machines import them from there. Each process keeps contents as files in a folder,
named by their digest; the driver and each worker are told their folder by `use_contents`.
"""

import os
import pickle
import re
import site
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

from mlflow_hpo.errors import ConfigError, worded

GIVEN = "given:"  # begins the name of a model or of data that were given from Python
GIVEN_DATA, FROM_PYTHON = f"{GIVEN}data", "data from Python"  # their name, and how people are told it
FORMS = "package.module:NAME or path/to/file.py:NAME"
PICKLE = "pickle"  # the member of a content that is no module
_folders: list[Path] = []  # of contents, the newest first


def is_reference(text: str) -> bool:
    """Tells whether a text has the form of a reference."""
    return ":" in text and not is_address(text)


def is_address(text: str) -> bool:
    """Tells whether a text is the address of something that MLflow fetches: `runs:/...`, `s3://...`."""
    return bool(re.match(r"[a-z][a-z0-9+-]+:/", text))


def shown_name(text: str) -> str:
    """Returns how a model is named to people: what Python gave, by its own name."""
    return text.removeprefix(GIVEN)


def shown_data(name: str) -> str:
    """Returns how data are named to people, such as in a param."""
    return FROM_PYTHON if name.startswith(GIVEN) else name


def data_title(name: str) -> str:
    """Returns what begins a message about data."""
    return FROM_PYTHON if name in (FROM_PYTHON, GIVEN_DATA) else f"data {name!r}"


def with_colon(text: Any) -> Any:
    """Returns a reference to code in a package that has a dot before its last name, with a colon there."""
    if not isinstance(text, str) or is_reference(text) or text.endswith(".py"):
        return text
    module, _, name = text.rpartition(".")
    dotted = module and all(part.isidentifier() for part in text.split("."))
    return f"{module}:{name}" if dotted else text


def use_contents(folder: Path) -> None:
    """Makes this process look for contents in a folder."""
    if folder not in _folders:
        _folders.insert(0, folder)


def save_content(content: bytes, folder: Path) -> str:
    """Writes content into a folder, readable by this user alone; returns its digest."""
    digest = sha256(content).hexdigest()
    folder.mkdir(0o700, parents=True, exist_ok=True)
    file = folder / digest
    file.touch(0o600)
    file.write_bytes(content)
    return digest


def read_content(digest: str, what: str) -> bytes:
    """Returns content by its digest.

    Args:
        what: what it is, to be named in errors.

    Raises:
        ConfigError: no folder of this process has it, or it is not what the digest says.
    """
    return _verified(digest, what).read_bytes()


def content_file(digest: str, what: str) -> Path:
    """Returns the file of content; raises ConfigError if no folder of this process has it."""
    file = next((folder / digest for folder in _folders if (folder / digest).is_file()), None)
    if file is None:
        raise ConfigError(f"{what} is not at hand any more: give it again from Python")
    return file


def save_pickle(value: Any, folder: Path) -> str:
    """Writes an object, and the user's modules if it refers to some, as content; returns the digest.

    Raises:
        Exception: it cannot be pickled.
    """
    import cloudpickle

    content = cloudpickle.dumps(value)
    folder.mkdir(0o700, parents=True, exist_ok=True)
    new = folder / uuid4().hex
    new.touch(0o600)
    with zipfile.ZipFile(new, "w") as archive:  # members have one date, so that equal ones give one digest
        archive.writestr(zipfile.ZipInfo(PICKLE), content)
        for name, file in sorted(_modules_of(content).items()):
            archive.writestr(zipfile.ZipInfo(name), file.read_bytes())
    digest = _digest(new)
    new.replace(folder / digest)
    return digest


def load_pickle(digest: str, what: str) -> Any:
    """Returns what `save_pickle` wrote.

    Raises:
        ConfigError: as `read_content`.
        Exception: what importing the user's modules raises.
    """
    file = _verified(digest, what)
    with zipfile.ZipFile(file) as archive:
        content, has_modules = archive.read(PICKLE), len(archive.namelist()) > 1
    if has_modules and str(file) not in sys.path:
        sys.path.append(str(file))  # the last: a module that this machine has is taken from there
    return pickle.loads(content)


def read_pickle(digest: str, what: str) -> bytes:
    """Returns the pickle in a content; raises as `read_content`."""
    with zipfile.ZipFile(_verified(digest, what)) as archive:
        return archive.read(PICKLE)


def _verified(digest: str, what: str) -> Path:
    """Returns the file of content that is what its digest says."""
    file = content_file(digest, what)
    if _digest(file) != digest:
        raise ConfigError(f"{what} is not what was given from Python: its digest differs from {digest[:12]}")
    return file


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()


def _modules_of(content: bytes) -> dict[str, Path]:
    """Returns the user's modules, by their paths for an import, if a pickle names one of them."""
    files, modules = dict[str, Path](), users_modules()
    is_named = any(module.__name__.encode() in content for module in modules)
    for module in modules if is_named else ():
        file, path = Path(str(module.__file__)), module.__name__.replace(".", "/")
        if file.name != "__init__.py":
            files[path + file.suffix] = file
        else:  # with those that are not imported yet
            files |= {f"{path}/{f.relative_to(file.parent).as_posix()}": f for f in file.parent.rglob("*.py")}
    return {name: file for name, file in files.items() if file.suffix == ".py" and file.is_file()}


def save_code(code: Any, folder: Path, what: str) -> str:
    """Writes a function, class or object into a folder of contents; returns its digest.

    Args:
        what: what it is wanted for, to be named in errors.

    Raises:
        ConfigError: it cannot be pickled.
    """
    try:
        return save_pickle(code, folder)
    except Exception as error:  # whatever the object raises
        raise ConfigError(f"{what} {code!r} cannot be sent to the workers: {error}") from None


@contextmanager
def pickled_by_value() -> Iterator[bool]:
    """Makes cloudpickle put the user's modules into what it pickles for a while; gives whether there are any.

    Where a model is served they cannot be imported.
    """
    import cloudpickle

    modules = users_modules()
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield bool(modules)
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def users_modules() -> list[ModuleType]:
    """Returns the loaded modules that are not installed."""
    installed = {*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()}
    folders = tuple(folder + os.sep for folder in installed)
    return [module for name, module in [*sys.modules.items()] if _is_users(name, module, folders)]


def _is_users(name: str, module: Any, installed: tuple[str, ...]) -> bool:
    file = getattr(module, "__file__", None)
    own = name.partition(".")[0] in (__name__.partition(".")[0], "__main__", "__mp_main__")
    is_module = isinstance(module, ModuleType) and module.__name__ == name
    return is_module and isinstance(file, str) and not own and not file.startswith(installed)


def load_code(digest: str, what: str) -> Any:
    """Returns the function, class or object that `save_code` wrote.

    Raises:
        ConfigError: it is not at hand, or cannot be loaded.
    """
    try:
        return load_pickle(digest, what)
    except ConfigError:
        raise
    except Exception as error:  # whatever importing the user's modules raises
        raise ConfigError(f"{what} cannot be loaded: {worded(error)}") from error


def check_reference(text: str, what: str) -> None:
    """Raises ConfigError if a reference is malformed or its file is missing; nothing is imported."""
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise ConfigError(f"{what} {text!r} is malformed: expected {FORMS}")
    if place.endswith(".py") and not os.path.isfile(place):  # noqa: PTH113 (its name may be too long)
        raise ConfigError(f"{what} {text!r} cannot be loaded: there is no file {place!r}")


def load_reference(text: str, what: str) -> Any:
    """Returns what a reference names, from a file, the working folder or an installed package.

    Args:
        what: what it is wanted for, to be named in errors.

    Raises:
        ConfigError: it cannot be loaded, whatever the user's module raises meanwhile.
    """
    check_reference(text, what)
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
    """Imports a file; its folder is searched for what it imports, as when it is run as a script."""
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
