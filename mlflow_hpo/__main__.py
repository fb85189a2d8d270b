"""The command `mlflow-hpo`, and `python -m mlflow_hpo`: signals are handled before anything is imported."""

import os
import signal


def main() -> None:
    """Runs the command line; before and after it, when nothing is under way, a signal ends this process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from mlflow_hpo import cli

    cli.main()


def _leave(number: int, frame: object) -> None:
    os.write(2, f"Error: interrupted by {signal.Signals(number).name}\n".encode())
    os._exit(128 + number)


if __name__ == "__main__":
    main()
