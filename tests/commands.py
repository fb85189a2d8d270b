"""Command lines in this process: what they say and end with is that of a process of its own."""

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

import mlflow.cli
from mlflow.tracking._tracking_service import utils as tracking

from mlflow_hpo import cli

COMMANDS: Mapping[str, Callable[[], None]] = {"mlflow-hpo": cli.main, "mlflow": mlflow.cli.cli}
QUIET = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)  # as Python begins


def called(
    environment: Mapping[str, str], *arguments: str, command: str = "mlflow-hpo"
) -> subprocess.CompletedProcess[str]:
    """Call a command with these arguments and this environment."""
    with redirected(1, "stdout") as out, redirected(2, "stderr") as err:
        with fresh(environment, [command, *arguments]):
            try:
                COMMANDS[command]()
            except SystemExit as end:
                status = end.code
        for file in (out, err):
            file.flush()
            file.seek(0)
        return subprocess.CompletedProcess(arguments, int(status or 0), out.read(), err.read())


@contextmanager
def redirected(number: int, name: str) -> Iterator[IO[str]]:
    """Whatever this process, or one that it starts, writes to a stream goes to a file."""
    stream = getattr(sys, name)
    stream.flush()
    kept = os.dup(number)
    with tempfile.TemporaryFile("a+") as file:
        os.dup2(file.fileno(), number)
        setattr(sys, name, file)
        try:
            yield file
        finally:
            setattr(sys, name, stream)
            os.dup2(kept, number)
            os.close(kept)


@contextmanager
def fresh(environment: Mapping[str, str], arguments: list[str]) -> Iterator[None]:
    """All that a new process would not know of this one, and this one should not keep, is put aside."""
    folder, variables, path, argv = Path.cwd(), dict(os.environ), list(sys.path), sys.argv
    modules, tracked, handlers = set(sys.modules), tracking._tracking_uri, logging.root.handlers
    _set_variables(environment)
    sys.path.insert(0, str(folder))
    sys.argv, tracking._tracking_uri, logging.root.handlers = arguments, None, []
    try:
        with _warnings_shown():
            yield
    finally:
        os.chdir(folder)
        _set_variables(variables)
        sys.path[:] = path
        sys.argv, tracking._tracking_uri, logging.root.handlers = argv, tracked, handlers
        _forget_modules(set(sys.modules) - modules, folder)


def _set_variables(environment: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)


def _forget_modules(names: set[str], folder: Path) -> None:
    """Those of a test's own folder: another test may have others of these names."""
    for name in names:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(f"{folder}{os.sep}"):
            del sys.modules[name]


@contextmanager
def _warnings_shown() -> Iterator[None]:
    """On the error stream, where pytest would keep them."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))

    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in QUIET:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        yield
