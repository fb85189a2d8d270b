"""Data given from Python, which the driver writes to a file for its workers.

The file is a pickle that only the driver writes; a user's data file is never unpickled.
"""

import os
import pickle
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData
from mlflow_hpo.data.sources.values import raw_data_of
from mlflow_hpo.errors import ConfigError, DataError, worded

GIVEN = "given:"  # before the path of the file; no user may name such data on the command line
SUFFIX = ".given"


def save_given(data: Any, folder: Path, target: str | None) -> str:
    """Writes data for other processes.

    Args:
        data: anything that a user's function may return, see `values.py`.
        folder: belongs to the driver; the caller removes it.
        target: the column to predict, in a DataFrame.

    Returns:
        The name by which `load_data` loads them.

    Raises:
        ConfigError, DataError: see `raw_data_of`.
    """
    import cloudpickle

    content = cloudpickle.dumps(raw_data_of(data, DataSpec("given", target=target)))
    folder = folder.resolve() / f"data{SUFFIX}"
    folder.mkdir(0o700, parents=True, exist_ok=True)
    file = folder / f"{sha256(content).hexdigest()[:12]}{SUFFIX}"
    file.touch(0o600)
    file.write_bytes(content)
    return f"{GIVEN}{file}"


def check(spec: DataSpec) -> None:
    """Raises ConfigError if `save_given` did not write the file."""
    file = Path(spec.name.removeprefix(GIVEN))
    if not (file.suffix == file.parent.suffix == SUFFIX and file.is_file() and _is_ours(file)):
        raise ConfigError(
            f"data {spec.name!r} cannot be loaded: data given from Python do not outlast their study"
        )


def _is_ours(file: Path) -> bool:
    """Tells whether nobody else could have written the file."""
    return all(p.stat().st_uid == os.getuid() and not p.stat().st_mode & 0o022 for p in (file, file.parent))


def load(spec: DataSpec) -> RawData:
    """Reads a file that `save_given` wrote.

    Raises:
        DataError: it cannot be read.
    """
    try:
        raw: RawData = pickle.loads(Path(spec.name.removeprefix(GIVEN)).read_bytes())
    except Exception as error:  # the user's classes may raise anything
        raise DataError(f"data given from Python cannot be read: {worded(error)}") from None
    return replace(raw, source="given from Python")
