"""Packs the files of the working folder that other hosts need: the user's modules, and data in files."""

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.user_code import GIVEN, is_reference

MOST_BYTES = 256 << 20
MOST_MODULES = 2000
SKIPPED = ("__pycache__", "node_modules", "mlruns", "mlartifacts", "site-packages")


def archive(spec: ObjectiveSpec) -> bytes:
    """Returns a tar archive, with names from the working folder; empty if hosts need no files.

    Files outside of it are not packed: hosts must share them.

    Raises:
        ConfigError: there is too much.
    """
    files = sorted({file for text in (spec.model, spec.data.name, spec.callbacks) for file in _files(text)})
    size = sum(file.stat().st_size for file in files)
    if size > MOST_BYTES:
        raise ConfigError(
            f"executor: the model's code and the data hold {size >> 20:,} MiB, and hosts are sent "
            f"{MOST_BYTES >> 20} at most: put the data where all hosts read them, and name that place"
        )
    return _packed(files) if files else b""


def _packed(files: Iterable[Path]) -> bytes:
    """Returns an archive that is the same for the same files, so that its digest is."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in files:
            member = tarfile.TarInfo(file.as_posix())
            member.size, member.mode = file.stat().st_size, 0o600
            with file.open("rb") as content:
                tar.addfile(member, content)
    return packed.getvalue()


def _files(text: str) -> Iterator[Path]:
    """Yields the files that a name of a model, data or callbacks means, if they lie in the working folder."""
    if not text or text.startswith(GIVEN):
        return
    if is_reference(text):
        place = Path(text.rpartition(":")[0])
        yield from _modules(place.parent if place.suffix == ".py" else Path())
    elif not Path(text).is_absolute() and ".." not in Path(text).parts:
        yield from [Path(text)] if Path(text).is_file() else filter(Path.is_file, Path(text).rglob("*"))


def _modules(root: Path) -> Iterator[Path]:
    """Yields the modules of a folder, those of packages in it too, but not of environments."""
    if root.is_absolute() or ".." in root.parts:
        return
    modules = 0
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in SKIPPED]
        if "pyvenv.cfg" in files:
            folders.clear()
        for file in (Path(folder, name) for name in files if name.endswith(".py")):
            modules += 1
            if modules > MOST_MODULES:
                raise ConfigError(
                    f"executor: {str(root.resolve())!r} holds more than {MOST_MODULES:,} modules, "
                    "which hosts would be sent: start in the folder of your code"
                )
            yield file
