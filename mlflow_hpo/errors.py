"""The exception tree: what a user can cause, in two branches.

`TrialError` fails one trial and the search goes on; every other error stops the whole command.
Each carries one line that names the thing, the value and what would be right.
"""

import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import unquote

from typing_extensions import override

LONGEST = 500  # characters of a line that may quote whole arrays
LONGEST_SHOWN = 2000  # of any line
CUT = "… (cut, of "  # where a text goes on elsewhere
STYLING = re.compile(r"\x1b\[[\d;]*m")
# Lines in which Keras and TensorFlow lead up to what is wrong; what goes with them is indented.
LEADING = re.compile(r"^Exception encountered|Error encountered:|^Graph execution error|^Detected at node")
EXPECTED = re.compile(r"Expected shape .*")

# What stands before the host in a URI, and what else in one is secret: see `without_passwords`.
_USER = re.compile(r"""://([^\s/?#"'<>`]*)@""")
_ODD_PASSWORD = re.compile(r"""(://[^\s/?#:@"'<>`]*:)(?!\d*[/?#])(?:(?!://)[^\s"'<>`])*@""")  # with a / or ?
_QUERY = re.compile(
    r"""(?i)([?&;][\w.-]*(?:password|passwd|pwd|token|secret|api_?key|signature|sig)=)[^\s&;#"'<>`]+"""
)
_NAMED = re.compile(  # as in keyword arguments, in JSON, in variables and in the headers of a request
    r"""((?i:(?:password|passwd|secret|api_?key)(?:\s?=\s?|["']:\s?)|token["']:\s?|"""
    r"""authorization["']?:\s?["']?\w+ )|_TOKEN=)("[^"]*"|'[^']*'|[^\s"',;&)}\]]+)"""
)
# Variables that hold a password, and those that hold an address: the first may change while a process runs.
PASSWORDS = (
    *("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "PGPASSWORD", "DATABRICKS_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY"),
)
URI = "MLFLOW_TRACKING_URI"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
ADDRESSES = ("MLFLOW_REGISTRY_URI", *PROXIES, *(name.upper() for name in PROXIES))
_LOGIN = re.compile(r"//[^/@:]*:(?!\d*[/?#])(.+)@|^https?://([^/@:]+)@|^([^/@:]+:[^/@]+)@")
SHORTEST_SECRET = 6  # characters; a shorter one may be part of any word
HIDDEN = "***"


class HpoError(Exception):
    """Anything a user can cause: shown as one line, never as a traceback.

    Attributes:
        exit_status: what the command line ends with.
    """

    exit_status = 1

    @override
    def __str__(self) -> str:
        return without_secrets(super().__str__())


class ConfigError(HpoError):
    """A setting, a space or a name is not valid."""


class SpaceError(ConfigError):
    """A space is malformed; one line for each fault, with its place."""


class DataError(HpoError):
    """A data set cannot be loaded or split."""


class StoreError(HpoError):
    """The tracking store cannot be reached or refuses, or a disk is full."""


class SetupError(HpoError):
    """The code, the data and the settings do not fit each other, whatever the config.

    In a trial it ends the study only while no trial has shown that training reports the metric, when only
    one trial runs; after that it is a trial's. What a config can cause is a `TrialError` from the start.
    """


class StudyError(HpoError):
    """A study does not exist, cannot go on, or has nothing to give."""


class SupersededError(HpoError):
    """Another process drives the study now: nothing of it may be written any more."""


class DamagedError(StudyError):
    """A tag that a study or a trial is read from does not hold what was written there."""


class GateError(HpoError):
    """A model is not better than that which holds the alias, or cannot be loaded: nothing was registered."""

    exit_status = 3


class Interrupted(HpoError):  # noqa: N818 (it is nobody's error)
    """A command was cut by a signal.

    Attributes:
        reason: by which one, in words.
    """

    def __init__(self, reason: str, command: str, number: int) -> None:
        """Makes the error.

        Args:
            command: goes on with what was cut; empty if nothing does.
        """
        super().__init__(f"{reason}; go on with: {command}" if command else reason)
        self.reason, self.exit_status = reason, 128 + number


class Stopped(BaseException):
    """A signal ends a command that has begun nothing to go on with; nothing that catches errors may keep it.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


class TrialError(HpoError):
    """This trial failed; the search goes on.

    Attributes:
        details: what shows why, such as the last lines of its output; empty where the traceback does.
    """

    def __init__(self, message: str = "", details: str = "") -> None:
        super().__init__(message, details)
        self.details = details

    @override
    def __str__(self) -> str:
        return without_secrets(str(self.args[0]))


class RunDeletedError(TrialError):
    """Somebody deleted the trial's run: the trial is given up."""

    def __init__(self, message: str = "its run was deleted", details: str = "") -> None:
        super().__init__(message, details)


class NotFiniteError(TrialError):
    """A loss became NaN or infinite."""


@contextmanager
def alone() -> Iterator[None]:
    """Raises our errors without those that they arose from, which may quote a password."""
    try:
        yield
    except HpoError as error:
        raise error from None


def unknown(what: str, name: str, known: Iterable[str], hint: str = "") -> ConfigError:
    """Returns the error for a name that is in no registry; it lists the names that are, or gives a hint."""
    return ConfigError(f"unknown {what} {name!r}: {hint or 'known are ' + ', '.join(sorted(known))}")


def without_passwords(text: str) -> str:
    """Returns a text whose URIs have `***` in place of passwords and tokens.

    Everything that is printed, stored or said in an error goes through here, texts for people by way of
    `without_secrets`. A token may stand where the user does, so of a web address all before the host is
    hidden.
    """
    if "://" not in text and "=" not in text:
        return text
    text = _ODD_PASSWORD.sub(_without_odd, text)
    text = _USER.sub(_without_user, text)
    return _QUERY.sub(rf"\1{HIDDEN}", text)


def without_secrets(text: str, named: bool = True) -> str:
    """Returns a text for people with `***` in place of passwords and tokens, in addresses and elsewhere.

    They are what the environment has for the store, its artifacts and a proxy.

    Args:
        named: hide what is called a password or a token, too; in values, a hyperparameter may be called so.
    """
    text = without_passwords(text)
    if named and ("=" in text or ":" in text):
        text = _NAMED.sub(rf"\1{HIDDEN}", text)
    known = _known(os.environ.get(URI, ""))
    return known.sub(HIDDEN, text) if known else text


@lru_cache(maxsize=1)
def _known(uri: str) -> re.Pattern[str] | None:
    """Returns what finds the secrets that this process's environment has; None if it has none."""
    addresses = (uri, *(os.environ.get(name, "") for name in ADDRESSES))
    logins = [
        group for address in addresses for found in _LOGIN.finditer(address) for group in found.groups()
    ]
    secrets = [*(os.environ.get(name, "") for name in PASSWORDS), *(login or "" for login in logins)]
    both = {text for secret in secrets for text in (secret, unquote(secret)) if len(text) >= SHORTEST_SECRET}
    words = sorted(map(re.escape, both), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)") if words else None


def _without_user(found: re.Match[str]) -> str:
    if _is_web(found):
        return f"://{HIDDEN}@"
    user, colon, _ = found[1].partition(":")
    return f"://{user}:{HIDDEN}@" if colon else found[0]


def _without_odd(found: re.Match[str]) -> str:
    usual = _is_web(found) and _USER.match(found[0])  # an address may have another @, after the host
    return found[0] if usual else f"{found[1]}{HIDDEN}@"


def _is_web(found: re.Match[str]) -> bool:
    return found.string[max(0, found.start() - 5) : found.start()].lower().endswith(("http", "https"))


def printable(text: str) -> str:
    """Returns a text as it may be printed: without passwords, and without control characters.

    These would steer a terminal; line breaks and tabs stay.
    """
    text = without_secrets(text)
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def cut(line: str, longest: int = LONGEST_SHOWN) -> str:
    """Returns a line that is not too long to be read; of one that is, the beginning, and how long it is."""
    return line if len(line) <= longest else f"{line[:longest]}{CUT}{len(line):,} characters)"


def one_line(error: BaseException, longest: int | None = 300) -> str:
    """Returns the message of another library's error in one line, or the error's type if it has no message.

    Args:
        longest: characters after which the line is cut off; None: it is not.
    """
    return " ".join(without_passwords(str(error)).split())[:longest] or type(error).__name__


def worded(error: BaseException, whole: bool = True) -> str:
    """Returns the type and the message of another library's error in one line.

    Args:
        whole: all of the message; else the line of it that says what is wrong.
    """
    words = cut(" ".join(without_passwords(str(error)).split())) if whole else main_line(error)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def main_line(error: BaseException) -> str:
    """Returns the line of an error that says what is wrong: Keras and TensorFlow write others around it."""
    text = without_passwords(STYLING.sub("", str(error)))
    if expected := EXPECTED.search(text):
        return cut(expected.group(), LONGEST)
    lines = [line for line in text.splitlines() if line.strip()]
    main = (line for line in lines if not line[0].isspace() and not LEADING.search(line))
    return cut(" ".join(next(main, lines[0] if lines else "").split()), LONGEST)


def how_it_ended(status: int) -> str:
    """Says how a process ended, as what follows its name.

    Args:
        status: its exit status, or the negative number of the signal that ended it.
    """
    if -status not in {number.value for number in signal.Signals}:
        return f"ended with exit status {status}"
    hint = " (out of memory?)" if -status == signal.SIGKILL else ""
    return f"was killed by {signal.Signals(-status).name}{hint}"
