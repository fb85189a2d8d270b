"""Prints lines on a console."""

from rich.console import Console
from rich.text import Text

from mlflow_hpo.errors import printable


def print_line(console: Console, line: str, style: str = "") -> None:
    """Prints a line as it is: a name in it may look like markup, and it is not broken, however long."""
    console.print(Text(printable(line), style), soft_wrap=True)
