"""Signals are only noted: an exception out of nowhere could leave a run that nobody knows of."""

import os
import signal
import threading
from types import TracebackType
from typing import Self

from mlflow_hpo.errors import Interrupted

CAUGHT = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 5  # signals from here on end the process at once; `mlflow run` passes each Ctrl-C on as two


class Signals:
    """Notes SIGINT and SIGTERM while it is entered; `check` raises for them where that is safe."""

    def __init__(self) -> None:
        self._came: list[int] = []

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()  # elsewhere Python takes no handlers
        self._before = {number: signal.getsignal(number) for number in CAUGHT if main}
        for number in self._before:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return bool(self._came)

    def check(self, resume: str) -> None:
        """Raise Interrupted for the first signal that came.

        Args:
            resume: the command that goes on.
        """
        if self._came:
            name = signal.Signals(self._came[0]).name
            raise Interrupted(f"interrupted by {name}", resume, self._came[0])

    def _note(self, number: int, frame: object) -> None:
        self._came.append(number)
        if len(self._came) >= PATIENCE:
            os._exit(128 + number)
