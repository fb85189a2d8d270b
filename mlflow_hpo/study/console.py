"""The console of a command, whose output may be closed while it works."""

import signal
from contextlib import suppress

from rich.console import Console
from typing_extensions import override

from mlflow_hpo.execution.signals import note


class Output(Console):
    """A console that ends what is under way, as a signal does, when nobody reads it any more (`| head`)."""

    @override
    def on_broken_pipe(self) -> None:
        with suppress(SystemExit):  # the status is ours to choose, and a study has runs to end before
            super().on_broken_pipe()
        if not note(signal.SIGPIPE):
            raise SystemExit(128 + signal.SIGPIPE)
