"""Reads tables from text: finds its encoding, what separates columns, and decimal commas.

What cannot be told is refused, with the option of pandas that says it.
"""

import codecs
import csv
import io
from collections.abc import Mapping
from typing import IO, Any

from mlflow_hpo.errors import DataError

SAMPLE = 1 << 16  # bytes that the separator is told by
SEPARATORS = (",", ";", "\t", "|")
MARKS = (  # at the beginning of a file, the longer ones first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMA_NUMBER = r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?"  # with points between thousands, or none


def read_text(file: IO[bytes], form: str, options: Mapping[str, Any], name: str) -> Any:
    """Reads a table.

    Args:
        form: the ending of the file's name; `.tsv` means tabs.
        options: of `pandas.read_csv`, which say what is not to be found out.

    Raises:
        DataError: something cannot be told.
    """
    import pandas as pd

    found = {**text_options(file.read(SAMPLE), form, options, name), **options}
    file.seek(0)
    whole = {} if "engine" in found else {"low_memory": False}  # a column's type is inferred from all rows
    try:
        table = pd.read_csv(file, **{**whole, **found})
    except UnicodeDecodeError as error:
        raise _unknown_encoding(error, name) from None
    known = {"decimal", "thousands", "dtype"} & set(options)
    return table if known else _with_decimals(table, found.get("sep", ""), name)


def read_header(file: IO[bytes], form: str, options: Mapping[str, Any], name: str) -> list[str]:
    """Returns the names of the columns, as they stand in the text."""
    import pandas as pd

    content = file.read(SAMPLE)
    found = {**text_options(content, form, options, name), **options}
    try:
        if set(found) - {"sep", "delimiter", "encoding", "decimal", "thousands", "engine"}:
            return [*map(str, pd.read_csv(io.BytesIO(content), **{**found, "nrows": 0}).columns)]
        # Of the columns' names, pandas would change those that stand twice.
        plain = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False}
        head = pd.read_csv(io.BytesIO(content), **{**found, **plain})
    except UnicodeDecodeError as error:
        raise _unknown_encoding(error, name) from None
    return [text or f"Unnamed: {place}" for place, text in enumerate(head.iloc[0])]


def text_options(sample: bytes, form: str, options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns the options of pandas that a text needs and that are not given.

    Args:
        sample: the beginning of the text, `SAMPLE` bytes if there is more.
    """
    encoding = options.get("encoding") or next((e for mark, e in MARKS if sample.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in sample:
        raise DataError(
            f'data {name!r} is not in UTF-8: say its encoding, as read-options {{"encoding": "utf-16-le"}}'
        )
    found = {} if "encoding" in options else {"encoding": encoding}
    if separator := options.get("sep") or options.get("delimiter"):
        return found if len(separator) == 1 else {**found, "engine": "python"}  # a regular expression
    if form == ".tsv":
        return {**found, "sep": "\t"}
    rows = codecs.getincrementaldecoder(encoding)("replace").decode(sample).splitlines(keepends=True)
    skipped = options.get("skiprows") or 0
    rows = rows[skipped if isinstance(skipped, int) else 0 :]
    is_cut = len(sample) == SAMPLE and len(rows) > 1
    return {**found, "sep": _separator(rows[:-1] if is_cut else rows, name)}


def _separator(lines: list[str], name: str) -> str:
    """Returns the one that gives each row as many values as the first has, more than one; else a comma."""
    fitting = []
    for separator in SEPARATORS:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            continue
        if counts and counts[0] > 1 and len(set(counts)) == 1:
            fitting.append(separator)
    if len(fitting) > 1:
        either = " or ".join(map(repr, fitting))
        raise DataError(
            f"data {name!r}: its columns may be separated by {either}: "
            f'say which, as read-options {{"sep": "{fitting[-1]}"}}'.replace("\t", "\\t")
        )
    return fitting[0] if fitting else ","


def _with_decimals(table: Any, separator: str, name: str) -> Any:
    """Makes numbers of columns whose values all are numbers with decimal commas."""
    import pandas as pd

    words = table.columns[[pd.api.types.is_string_dtype(kind) for kind in table.dtypes]]
    commas = [column for column in words if _has_commas(table[column])]
    if not commas:
        return table
    floats = (table[column].dropna() for column in table.select_dtypes("float64"))
    if separator == "," or any((values % 1 != 0).any() for values in floats):
        value = next(v for v in table[commas[0]] if "," in str(v))
        raise DataError(
            f"data {name!r}: column {commas[0]!r} holds {value!r}: say what the comma means, as read-options "
            '{"decimal": ","} or {"thousands": ","}'
        )
    changed = {}
    for column in commas:
        plain = table[column].str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        changed[column] = pd.to_numeric(plain)
    return table.assign(**changed)


def _has_commas(column: Any) -> bool:
    values = column.dropna()
    return bool(
        len(values)
        and values.str.contains(",", regex=False).any()
        and values.str.fullmatch(COMMA_NUMBER).all()
    )


def _unknown_encoding(error: UnicodeDecodeError, name: str) -> DataError:
    content = error.object
    start = content.rfind(b"\n", 0, error.start) + 1
    line = content[start : error.end + 20].split(b"\n")[0].decode("cp1252", "replace").strip()
    if error.encoding not in ("utf-8", "utf8"):
        return DataError(f"data {name!r} is not in {error.encoding}: say its encoding, by read-options")
    return DataError(
        f'data {name!r} is not in UTF-8: say its encoding, as read-options {{"encoding": "cp1252"}}, '
        f"by which a line reads {line[-60:]!r}"
    )
