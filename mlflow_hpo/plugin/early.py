"""What `mlflow run --backend hpo` reads before it asks for the backend, read a moment earlier.

MLflow reads the backend-config itself and ends in a traceback where it cannot. That is before the backend is
loaded, but not before a run-context provider is. Like that one, this imports nothing else of the package.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

COMMANDS = {"mlflow", "mlflow.exe", "-m"}  # what the first argument is called while MLflow is imported


def refuse_config(argv: Sequence[str]) -> None:
    """End `mlflow run --backend hpo` in a line where MLflow cannot read its backend-config.

    Args:
        argv: the command line; any other one passes.

    Raises:
        SystemExit: it is a file that is not there, no JSON, or holds no object.
    """
    if not argv or Path(argv[0]).name not in COMMANDS or "run" not in argv:
        return
    config = _config_of(argv[argv.index("run") + 1 :])
    if config and (reason := _fault(config)):
        raise SystemExit(f"Error: backend-config {config!r} {reason}")


def _config_of(options: Sequence[str]) -> str:
    """The file or the text, where the backend is ours."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-b", "--backend")
    parser.add_argument("-c", "--backend-config", default="")
    try:
        found, _ = parser.parse_known_args(options)
    except argparse.ArgumentError:  # MLflow says it better
        return ""
    return found.backend_config if found.backend == "hpo" else ""


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
