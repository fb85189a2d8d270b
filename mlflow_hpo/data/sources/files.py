"""Opens table files, compressed or not, and reads those that are no text of rows: Parquet, Feather, JSON."""

import bz2
import gzip
import io
import json
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import IO, Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.errors import ConfigError, DataError, one_line
from mlflow_hpo.user_code import content_file, is_address

TEXT = (".csv", ".tsv", ".txt")
LINES = (".jsonl", ".ndjson")
COLUMNS = (".parquet", ".feather")
FORMS = (*TEXT, *LINES, ".json", *COLUMNS)
COMPRESSED: Mapping[str, Callable[[Path, str], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
ZIP = ".zip"
SHOWN = 5  # files of an archive, in an error
ERRORS = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


def is_table_file(name: str) -> bool:
    """Tells by a name whether it means a table in a file."""
    return plain_name(name).lower().endswith(ZIP) or form_of(name) in FORMS


def plain_name(name: str) -> str:
    """Returns a file's name, without what follows `?` or `#` in an address."""
    return re.split("[?#]", name)[0] if is_address(name) else name


def form_of(name: str) -> str:
    """Returns the ending of a file's name that says its form, without that of a compression."""
    path = PurePath(plain_name(name).lower())
    return (path.with_suffix("") if path.suffix in (*COMPRESSED, ZIP) else path).suffix


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns whatever reading a file raises into a DataError of one line."""
    try:
        yield
    except ERRORS as error:  # includes the errors of pandas and pyarrow
        raise DataError(f"data {name!r} cannot be read: {one_line(error)}") from None


def file_of(spec: DataSpec) -> Path:
    """Returns the file that a spec names, or the one that was fetched from its address.

    Raises:
        ConfigError: there is no such file.
    """
    if spec.content:
        return content_file(spec.content, spec.title)
    if not os.path.isfile(spec.name):  # noqa: PTH113 (the name may be too long)
        raise ConfigError(f"{spec.title}: there is no such file")
    return Path(spec.name)


@contextmanager
def opened(spec: DataSpec) -> Iterator[tuple[IO[bytes], str]]:
    """Gives a file's bytes, decompressed, and its form.

    Raises:
        ConfigError: there is no such file.
        DataError: an archive holds no table, or several.
    """
    name, path = plain_name(spec.name), file_of(spec)
    suffix = PurePath(name.lower()).suffix
    if suffix == ZIP:
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(name, archive)) as file:
            yield file, form_of(file.name)
        return
    with COMPRESSED.get(suffix, Path.open)(path, "rb") as file:
        yield file, form_of(name)


def _only_member(name: str, archive: zipfile.ZipFile) -> str:
    members = [m for m in archive.namelist() if not m.endswith("/") and not m.startswith("__MACOSX/")]
    if len(members) != 1 or form_of(members[0]) not in FORMS:
        listed = ", ".join(members[:SHOWN]) + (", ..." if len(members) > SHOWN else "")
        raise DataError(
            f"data {name!r} holds {listed or 'nothing'}: expected one table ({', '.join(FORMS)}): "
            "unpack it, and name a file"
        )
    return members[0]


def read_columns(file: IO[bytes], form: str, options: Mapping[str, Any]) -> Any:
    """Reads Parquet or Feather."""
    import pandas as pd

    reader = {".parquet": pd.read_parquet, ".feather": pd.read_feather}[form]
    return reader(io.BytesIO(file.read()), **options)  # type: ignore[operator]


def column_names(file: IO[bytes], form: str) -> list[str]:
    """Returns the columns of Parquet or Feather, and a named index."""
    from pyarrow import ipc, parquet

    schema = parquet.read_schema(file) if form == ".parquet" else ipc.open_file(file).schema
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    ranges = [level["name"] for level in index if isinstance(level, dict) and level["name"]]
    return [*(name for name in schema.names if not name.startswith("__index_level_")), *ranges]


def read_json(file: IO[bytes], form: str, options: Mapping[str, Any], name: str) -> Any:
    """Reads JSON: an object for each row, one a line or in a list. Values keep their types.

    Raises:
        DataError: it is something else.
    """
    import pandas as pd

    if options:
        return pd.read_json(file, **{"lines": form in LINES, **options})
    text = file.read().decode("utf-8-sig")
    rows = (
        [json.loads(line) for line in text.split("\n") if line.strip()] if form in LINES else json.loads(text)
    )
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"data {name!r} is no list of records: expected an object for each row, as "
            '[{"a": 1, "b": "x"}, ...]; read-options {"orient": "split"} or another names pandas\' forms'
        )
    return pd.DataFrame.from_records(rows)


def options_text(value: Any) -> str:
    """Returns options of pandas as a JSON object.

    Args:
        value: a dict, or the text of such an object.

    Raises:
        ValueError: it is something else.
    """
    with suppress(TypeError, ValueError):
        options = json.loads(value) if isinstance(value, str) else value
        if isinstance(options, Mapping):
            return json.dumps(dict(options))
    raise ValueError('must be options of pandas, as {"sep": ";", "decimal": ","}')


def check_flat(table: Any, name: str) -> None:
    """Raises ConfigError if a column holds lists or objects."""
    for place, column in enumerate(table.columns):
        values = table.iloc[:, place].dropna() if table.dtypes.iloc[place].kind == "O" else ()
        nested = next((v for v in values if isinstance(v, list | dict | tuple) or hasattr(v, "shape")), None)
        if nested is not None:
            kind = "objects" if isinstance(nested, dict) else "lists"
            raise ConfigError(
                f"column {str(column)!r} of data {name!r} holds {kind}: give each value a column"
            )
