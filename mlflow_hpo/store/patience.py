"""Waits for a store that does not answer: MLflow asks a server again for two minutes, and here a database.

A method of MLflow's store is one transaction, or several of which each may be repeated: what failed was
rolled back. Only a commit whose answer was lost may have happened all the same, as a request to a server may.
"""

import inspect
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import requests
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import ConfigError, without_secrets

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

SECONDS, DEFAULT_SECONDS = "MLFLOW_HPO_PATIENCE", 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two tries
BETWEEN_REQUESTS = 130.0  # seconds, at most, between two tries to ask a server
SQLITE_BUSY, SQLITE_LOCKED = 5, 6
# They would write tracebacks, or tell of each migration of a new database.
TALKATIVE = ("mlflow.store.db", "sqlalchemy.pool", "alembic")

logger = logging.getLogger(__name__)


class Outage:
    """The time in which the store does not answer this process.

    When it has lasted too long, a database is asked just once for each call, until one succeeds.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def is_over(self) -> None:
        """Notes that the store has answered."""
        self._since = None

    def goes_on(self, why: object) -> bool:
        """Notes that the store did not answer, and says so once; tells whether to ask it again."""
        now, longest = time.monotonic(), _patience()
        if self._since is None:
            self._since = now
            if longest:
                say_waiting(why)
        return now - self._since < longest


_outage = Outage()
_last_request = [-BETWEEN_REQUESTS]


def _patience() -> float:
    given = os.environ.get(SECONDS, "")
    try:
        return float(given or DEFAULT_SECONDS)
    except ValueError:
        raise ConfigError(f"{SECONDS}: takes seconds, not {given!r}") from None


def say_waiting(why: object) -> None:
    """Says that the store does not answer; the driver's words are heard, a worker's are not."""
    line = without_secrets(without_sql(str(why)))
    logger.warning("the tracking store does not answer, and is asked again for some minutes: %s", line)


def without_sql(text: str) -> str:
    """Returns in one line what a database says, without what SQLAlchemy adds: a statement and a link."""
    return " ".join(re.split(r"\[SQL:|\(Background on", text)[0].split())


def say_of_servers() -> None:
    """Says that a server does not answer, for which MLflow waits without a word."""
    urllib3 = logging.getLogger("urllib3.connectionpool")
    urllib3.setLevel(logging.WARNING)
    urllib3.addFilter(_say_instead)


def _say_instead(record: logging.LogRecord) -> bool:
    """Says a line once for an outage, in place of urllib3's for each try."""
    tried = re.match("Retrying .* after connection broken by '(.*)': ", record.getMessage())
    if tried and _patience():
        now, before = time.monotonic(), _last_request[0]
        _last_request[0] = now
        if now - before >= BETWEEN_REQUESTS:
            say_waiting(tried[1])
    return record.levelno >= logging.ERROR


def patient(ask: Callable[Arguments, Answer]) -> Callable[Arguments, Answer]:
    """Makes a function ask its database again where that may help."""

    @wraps(ask)
    def ask_again(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        pause = FIRST_PAUSE
        while True:
            try:
                answer = ask(*args, **kwargs)
            except Exception as error:
                if not (is_passing(error) and _outage.goes_on(error)):
                    raise
            else:
                _outage.is_over()
                return answer
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    return ask_again


def is_passing(error: BaseException) -> bool:
    """Tells whether an error is that of a database that is away or locked, and may answer again."""
    from sqlalchemy.exc import DBAPIError, OperationalError

    for cause in _causes(error):
        if isinstance(cause, DBAPIError):
            if (code := getattr(cause.orig, "sqlite_errorcode", None)) is not None:
                return code & 0xFF in (SQLITE_BUSY, SQLITE_LOCKED)  # not a full disk, or a missing file
            return cause.connection_invalidated or isinstance(cause, OperationalError)
    return False


def is_outage(error: BaseException) -> bool:
    """Tells whether an error is MLflow's, of a database or a server that was waited for in vain."""
    lost = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)
    waited = is_passing(error) or any(isinstance(cause, lost) for cause in _causes(error))
    return isinstance(error, MlflowException) and waited


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@cache
def make_databases_patient() -> None:
    """Makes MLflow's stores in databases ask again, and silences what they print, in this process."""
    from mlflow.store.db import utils
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")  # seconds; PostgreSQL's own would be minutes
    utils.MAX_RETRY_COUNT = 1  # of opening, where MLflow would be patient with the wrong address, too
    for store in (Tracking, Registry):
        for name, method in inspect.getmembers(store, inspect.isfunction):
            if name == "__init__" or not name.startswith("_"):
                setattr(store, name, patient(method))
