"""Data that were given from Python: our driver writes them for its workers.

The file is a pickle, and only the driver makes one; a data file of a user's is never unpickled.
"""

import os
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlflow_hpo.data.base import DataSpec, Found
from mlflow_hpo.data.sources.values import found_in
from mlflow_hpo.errors import ConfigError, DataError, worded

GIVEN = "given:"  # before the path of the file; no user may name such data on the command line
SUFFIX = ".given"


def save_given(data: Any, folder: Path, target: str | None) -> str:
    """Write data for other processes.

    Args:
        data: what a user's function could return, see `datasets.values`.
        folder: of the driver's own; whoever gives it removes it.
        target: the column to predict, in a DataFrame.

    Returns:
        The name by which `load_data` knows them.

    Raises:
        ConfigError, DataError: it is nothing that is expected.
    """
    import cloudpickle

    found = found_in(data, DataSpec("given", target=target))
    content = cloudpickle.dumps(found)
    folder = folder.resolve() / f"data{SUFFIX}"
    folder.mkdir(0o700, parents=True, exist_ok=True)
    file = folder / f"{sha256(content).hexdigest()[:12]}{SUFFIX}"
    file.touch(0o600)
    file.write_bytes(content)
    return f"{GIVEN}{file}"


def check(spec: DataSpec) -> None:
    """Raise ConfigError where the file is none that `save_given` wrote."""
    file = Path(spec.name.removeprefix(GIVEN))
    if not (file.suffix == file.parent.suffix == SUFFIX and file.is_file() and _is_ours(file)):
        raise ConfigError(
            f"data {spec.name!r} cannot be loaded: data given from Python do not outlast their study"
        )


def _is_ours(file: Path) -> bool:
    """Whether nobody else could have written it."""
    return all(p.stat().st_uid == os.getuid() and not p.stat().st_mode & 0o022 for p in (file, file.parent))


def load(spec: DataSpec) -> Found:
    """Read what `save_given` wrote.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found: Found = pickle.loads(Path(spec.name.removeprefix(GIVEN)).read_bytes())
    except Exception as error:  # whatever the user's own classes raise
        raise DataError(f"data given from Python cannot be read: {worded(error)}") from None
    return replace(found, source="given from Python")
