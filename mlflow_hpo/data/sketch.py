"""A sketch of rows: enough to tell later, without them, whether other rows were among them."""

import base64
import hashlib
from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, Part
from mlflow_hpo.data.structure import is_table, members

SIZE = 128  # hashes that a sketch holds: the smallest (Cohen and Kaplan 2007, "Bottom-k sketches")
BYTES = 6  # of each
FEWEST = 3  # rows whose hash a sketch would hold, below which nothing can be told


def sketch(*parts: Part) -> str:
    """Returns the sketch of the inputs of some rows; empty if they are none that can be looked at."""
    hashes = np.unique(np.concatenate([_hashes(part.x) for part in parts]))[:SIZE]
    return base64.b64encode(hashes.astype(">u8").view(np.uint8).reshape(-1, 8)[:, -BYTES:].tobytes()).decode()


def shares_rows(known: str, part: Part) -> bool | None:
    """Tells whether some of these rows were among those of a sketch; None if that cannot be told."""
    try:
        raw = np.frombuffer(base64.b64decode(known), np.uint8).reshape(-1, BYTES)
    except ValueError:  # somebody has damaged it
        return None
    kept = np.pad(raw, ((0, 0), (8 - BYTES, 0))).view(">u8").ravel()
    hashes = _hashes(part.x)
    if len(kept) == SIZE:  # of the rows that it stands for, it has those below its last
        hashes = hashes[hashes <= kept[-1]]
    if not len(kept) or len(hashes) < FEWEST:
        return None
    return bool(np.isin(hashes, kept).any())


def _hashes(x: Any) -> Array:
    """Returns a number below 256 ** BYTES for each row, equal for equal rows, on every machine."""
    of_members = [_table_hashes(v) if is_table(v) else _array_hashes(np.asarray(v)) for v in members(x)]
    odd = np.uint64(0x9E3779B97F4A7C15)  # so that the order of the members counts
    combined = np.zeros(len(of_members[0]), np.uint64)
    for hashes in of_members:
        combined = combined * odd + hashes
    return combined >> np.uint64(64 - 8 * BYTES)


def _table_hashes(table: Any) -> Array:
    from pandas.util import hash_pandas_object

    return np.asarray(hash_pandas_object(table, index=False).to_numpy(np.uint64))


def _array_hashes(array: Array) -> Array:
    rows = map(np.ravel, array)
    contents = ("\0".join(map(str, row)).encode() if array.dtype == object else row.tobytes() for row in rows)
    digests = b"".join(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
