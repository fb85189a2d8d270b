"""Runs inside every process that uses MLflow, as MLflow's run-context provider.

Tags the runs that a trial's process starts with the study and the trial. Checks --backend-config, too: MLflow
loads this before it reads that file, and the backend only afterwards. So this must import almost nothing.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlflow.tracking.context.abstract_context import RunContextProvider

from mlflow_hpo.projects import variables

COMMANDS = {"mlflow", "mlflow.exe", "-m"}  # possible first arguments while MLflow is being imported


class TrialContext(RunContextProvider):
    """Tags runs in a trial's process, and in every process below it."""

    def in_context(self) -> bool:
        """Returns whether a trial started this process."""
        return variables.TAGS in os.environ

    def tags(self) -> dict[str, str]:
        """Returns the run ids of the study and the trial, and the trial's number, by tag."""
        return dict(json.loads(os.environ[variables.TAGS]))


def refuse_config(argv: Sequence[str]) -> None:
    """Ends `mlflow run --backend hpo` with one line if MLflow cannot read its backend-config.

    MLflow itself would end in a traceback.

    Args:
        argv: the command line; any other command passes.

    Raises:
        SystemExit: the config is a file that does not exist, no JSON, or no JSON object.
    """
    if not argv or Path(argv[0]).name not in COMMANDS or "run" not in argv:
        return
    config = _config_of(argv[argv.index("run") + 1 :])
    if config and (fault := _fault(config)):
        raise SystemExit(f"Error: backend-config {config!r} {fault}")


def _config_of(options: Sequence[str]) -> str:
    """Returns the file or the JSON text; empty if the backend is not ours."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-b", "--backend")
    parser.add_argument("-c", "--backend-config", default="")
    try:
        parsed, _ = parser.parse_known_args(options)
    except argparse.ArgumentError:  # MLflow says it better
        return ""
    return parsed.backend_config if parsed.backend == "hpo" else ""


def _fault(config: str) -> str:
    is_file = config.endswith(".json")
    try:
        value = json.loads(Path(config).read_text(encoding="utf-8") if is_file else config)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:  # no JSON, or no text at all
        return f"does not parse as JSON: {error}"
    if not isinstance(value, dict):
        return "holds no object: give {...}, the study's settings by name"
    return ""


refuse_config(sys.argv)
