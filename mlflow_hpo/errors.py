"""The exception tree: what a user can cause, in two branches.

`TrialError` fails one trial and the search goes on; every other error stops the whole command.
Each carries one line that names the thing, the value and what would be right.
"""

import signal
from collections.abc import Iterable


class HpoError(Exception):
    """Anything a user can cause: shown as one line, never as a traceback.

    Attributes:
        exit_status: what the command line ends with.
    """

    exit_status = 1


class ConfigError(HpoError):
    """A setting, a space or a name is not valid."""


class SpaceError(ConfigError):
    """A space is malformed; one line for each fault, with its place."""


class DataError(HpoError):
    """A data set cannot be loaded or split."""


class StoreError(HpoError):
    """The tracking store cannot be reached or refuses."""


class SetupError(HpoError):
    """The model, the data and the settings do not fit each other: where none did succeed, no trial could."""


class StudyError(HpoError):
    """A study does not exist, cannot go on, or has nothing to give."""


class GateError(HpoError):
    """A model is not better than that which holds the alias, or cannot be loaded: nothing was registered."""

    exit_status = 3


class Interrupted(HpoError):  # noqa: N818 (it is nobody's error)
    """The study was cut by a signal; it can be resumed."""

    def __init__(self, reason: str, resume: str, number: int) -> None:
        super().__init__(f"{reason}; go on with: {resume}")
        self.reason, self.exit_status = reason, 128 + number


class TrialError(HpoError):
    """This trial failed; the search goes on.

    Attributes:
        details: what shows why, such as the last lines of its output; empty where the traceback does.
    """

    def __init__(self, message: str = "", details: str = "") -> None:
        super().__init__(message, details)
        self.details = details

    def __str__(self) -> str:
        return str(self.args[0])


class NotFiniteError(TrialError):
    """A loss became NaN or infinite."""


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """Returns the error for a name that is in no registry; it lists the names that are."""
    return ConfigError(f"unknown {what} {name!r}: known are {', '.join(sorted(known))}")


def one_line(error: BaseException, longest: int | None = 300) -> str:
    """Returns the message of another library's error in one line, or the error's type if it has no message.

    Args:
        longest: characters after which the line is cut off; None: it is not.
    """
    return " ".join(str(error).split())[:longest] or type(error).__name__


def worded(error: BaseException, lines: int | None = None) -> str:
    """Returns the type and the message of another library's error in one line.

    Args:
        lines: how many lines of the message to keep, empty ones not counted; None: all.
    """
    kept = [line for line in str(error).splitlines() if line.strip()][:lines]
    words = " ".join(" ".join(kept).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def how_it_ended(status: int) -> str:
    """Says how a process ended, as what follows its name.

    Args:
        status: its exit status, or the negative number of the signal that ended it.
    """
    if -status not in {number.value for number in signal.Signals}:
        return f"ended with exit status {status}"
    hint = " (out of memory?)" if -status == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-status).name}{hint}"
