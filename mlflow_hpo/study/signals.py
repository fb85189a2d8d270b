"""Notes signals and raises them where that is safe: elsewhere one could leave a run that nobody knows of."""

import os
import signal
import threading
from typing import Self

from mlflow_hpo.errors import Interrupted

CAUGHT = (signal.SIGINT, signal.SIGTERM)
ENDS_AT_ONCE = 5  # the number of signals that do; `mlflow run` passes each Ctrl-C on as two


class Signals:
    """Notes SIGINT and SIGTERM while it is entered; `check` raises for them where that is safe."""

    def __init__(self) -> None:
        self._noted: list[int] = []

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()  # elsewhere Python takes no handlers
        self._handlers = {number: signal.getsignal(number) for number in CAUGHT if main}
        for number in self._handlers:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *failure: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return bool(self._noted)

    def check(self, resume: str) -> None:
        """Raises Interrupted for the first signal that was noted.

        Args:
            resume: the command that goes on with the study.
        """
        if self._noted:
            name = signal.Signals(self._noted[0]).name
            raise Interrupted(f"interrupted by {name}", resume, self._noted[0])

    def _note(self, number: int, frame: object) -> None:
        self._noted.append(number)
        if len(self._noted) >= ENDS_AT_ONCE:
            os._exit(128 + number)
