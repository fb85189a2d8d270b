"""Takes data from a user's Python: pairs of arrays or DataFrames, a DataFrame with a target, streams."""

from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows, in_parts
from mlflow_hpo.data.sources.tables import rows_of
from mlflow_hpo.data.sources.tracked import unwrapped
from mlflow_hpo.data.stream import is_stream
from mlflow_hpo.data.streams import RawStreams, raw_streams
from mlflow_hpo.data.structure import each, is_table
from mlflow_hpo.errors import ConfigError, DataError

EXPECTED = (
    "(x, y) or (x, y, weights), ((x, y), (x_test, y_test)), three such (train, validation, test), "
    "a DataFrame with a target, or tf.data.Datasets or PyDatasets (train, validation, test)"
)
MEMBERS = (2, 3)  # of a part: inputs and targets, and perhaps weights


def raw_data_of(value: Any, spec: DataSpec) -> RawData | RawStreams:
    """Returns the rows of a value, in the parts that it brings, or the streams that they are read from.

    Raises:
        ConfigError: a DataFrame comes without a target, or something else with one.
        DataError: the value is not data.
    """
    value, spec = unwrapped(value, spec)
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if isinstance(value, dict) and {"data", "target"} <= {*value}:  # a Bunch, as scikit-learn's loaders give
        value = value["data"], value["target"]
    if is_table(value):
        return RawData(spec.name, rows_of(value, spec))
    for option, name in spec.columns.items():
        raise ConfigError(f"{option} {name!r} of {spec.title}: only a DataFrame has columns")
    parts = [value] if is_stream(value) or _is_one_part(value) else value
    if not isinstance(parts, tuple | list) or not 1 <= len(parts) <= 3:
        raise _unexpected(value, spec)
    if all(is_stream(part) for part in parts):
        return raw_streams(list(parts), spec)
    return in_parts([_rows(part, spec) for part in parts], spec.name)


def _rows(part: Any, spec: DataSpec) -> RawRows:
    if not isinstance(part, tuple | list) or len(part) not in MEMBERS:
        raise _unexpected(part, spec)
    x, y, *weights = part
    return RawRows(_inputs(x), _plain(y), *map(_plain, weights))


def _inputs(x: Any) -> Any:
    """Returns inputs with several in a dict or a tuple: a list of arrays or tables is several, too."""
    several = isinstance(x, list) and len(x) > 0 and all(hasattr(v, "shape") and len(v.shape) for v in x)
    return _plain(tuple(x) if several else x)


def _plain(values: Any) -> Any:
    """Returns what other libraries' tables hold as pandas has it, and a tuple of strings as a list."""
    if isinstance(values, tuple) and values and all(isinstance(v, str) for v in values):
        return list(values)
    return each(lambda v: v.to_pandas() if hasattr(v, "to_pandas") else v, values)


def _is_one_part(value: Any) -> bool:
    """Tells one (x, y) or (x, y, weights) from several parts, whose members are such tuples themselves."""
    if not isinstance(value, tuple | list) or len(value) not in MEMBERS:
        return False
    return not all(is_stream(v) or (isinstance(v, tuple) and len(v) in MEMBERS) for v in value)


def _unexpected(value: Any, spec: DataSpec) -> DataError:
    kind = (
        f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
    )
    return DataError(f"{spec.title} gave a {kind}: expected {EXPECTED}")
