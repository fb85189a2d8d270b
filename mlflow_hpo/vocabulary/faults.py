"""Says in words what is wrong with a value; pydantic's own words are for programmers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mlflow_hpo.vocabulary.names import setting_hint

WORDS: Mapping[str, str] = {  # pydantic's type of a fault -> what would be right
    "missing": "is missing",
    "extra_forbidden": "is no field of a range",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
    "dict_type": "must be `name: value` pairs",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("int_parsing_size",), "must be a smaller number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("string_type",), "must be a word"),
}


def fault_text(fault: Mapping[str, Any]) -> str:
    """Returns what is wrong with one value, as what follows its name; the value comes last.

    Args:
        fault: one of those of pydantic's `ValidationError.errors()`.
    """
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    words = WORDS.get(kind, "is not valid").format(**context).replace("'", "")
    return words if kind in ("missing", "extra_forbidden") else f"{words}, not {fault['input']!r}"


def fault_clauses(faults: Sequence[Any], known: Collection[str]) -> list[str]:
    """Returns a clause for each setting that is wrong, with the value and what would be right.

    Args:
        faults: `ValidationError.errors()`.
        known: the settings there are.
    """
    clauses: dict[str, list[str]] = {}
    for fault in faults:
        inner = fault["loc"][:1] == ("project",) and len(fault["loc"]) > 1
        name = str(fault["loc"][1 if inner else 0]) if fault["loc"] else ""
        clauses.setdefault(name, []).append(_clause(name, fault, known))
    return [" or ".join(dict.fromkeys(texts)) for texts in clauses.values()]


def _clause(name: str, fault: Mapping[str, Any], known: Collection[str]) -> str:
    if not name:
        return fault_text(fault)
    if fault["type"] == "extra_forbidden":
        return f"unknown setting {name!r}: {setting_hint(name, known)}"
    value = f", not {fault['input']!r}" if fault["type"] == "value_error" else ""
    return f"{name.replace('_', '-')}: {fault_text(fault)}{value}"
