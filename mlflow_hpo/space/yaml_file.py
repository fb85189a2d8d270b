"""Parses a space from YAML; every fault is named with its line and path.

units: [32, 64, 128]                                  # a list is a choice
batch_size: 32                                        # a scalar is fixed
learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
width: {type: int, low: 32, high: 512, step: 32}
layers: [[50], [100, 50]]                             # an option may be a list
dropout: {type: float, low: 0, high: 0.5, step: 0.1}
optimizer:                                            # an option may have hyperparameters
  - adam
  - sgd: {momentum: {type: float, low: 0.0, high: 0.99}}
"""

from functools import lru_cache
from pathlib import Path

import yaml

from mlflow_hpo.errors import SpaceError, one_line
from mlflow_hpo.space.parser import Parser
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_1_2 import FastLoader, Loader

MOST_FAULTS = 10  # that are listed
SOURCE = "\0"  # stands for the name of the text, and cannot be in one


def read_file(what: str, path: str) -> str:
    """Returns the text of a file.

    Args:
        what: what the file holds, for the error.

    Raises:
        SpaceError: it is missing or unreadable.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpaceError(f"{what} {path!r} cannot be read: {reason}") from None


def load_space(path: str) -> tuple[Space, str]:
    """Reads a space from a file.

    Returns:
        The space and the file's text.

    Raises:
        SpaceError: the file is missing or unreadable, or has faults (all are named).
    """
    text = read_file("space", path)
    return parse_space(text, path), text


def parse_space(text: str, source: str) -> Space:
    """Returns the space in a YAML text; `source` names it in errors.

    Raises:
        SpaceError: one line for each fault, `SOURCE:LINE: PATH: what is wrong`.
    """
    try:
        return _parsed(text)
    except SpaceError as error:
        raise SpaceError(str(error).replace(SOURCE, source)) from None


@lru_cache(maxsize=2)
def _parsed(text: str) -> Space:
    """Returns the space in a text; that of a study is asked for several times."""
    try:
        return _read(text, FastLoader)
    except (yaml.YAMLError, RecursionError):  # said in better words
        return _checked(text)


def _checked(text: str) -> Space:
    """Returns the space in a text that may be no YAML."""
    try:
        return _read(text, Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpaceError(f"{SOURCE}:{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SpaceError(f"{SOURCE}: not valid YAML: {one_line(error)}") from None
    except RecursionError:
        raise SpaceError(f"{SOURCE}:1: an alias holds itself, or the space is too deep") from None


def _read(text: str, kind: type[Loader] | type[FastLoader]) -> Space:
    loader = kind(text)
    parser = Parser(loader, SOURCE)
    space = parser.document(loader.get_single_node())
    if parser.faults or space is None:
        more = len(parser.faults) - MOST_FAULTS
        raise SpaceError("\n".join(parser.faults[:MOST_FAULTS]) + (f"\nand {more} more" if more > 0 else ""))
    return space
