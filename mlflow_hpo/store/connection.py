"""Connects to the tracking store: one client, errors in one line, and the tags of every run."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, LoggedModel, Metric, Param, Run, RunTag, ViewType
from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.entities.paged_list import PagedList
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.uri import get_uri_scheme

from mlflow_hpo.errors import (
    HpoError,
    RunDeletedError,
    StoreError,
    one_line,
    without_passwords,
    without_secrets,
)
from mlflow_hpo.store import keys, patience
from mlflow_hpo.store.names import Names, legal, shortened

Item = TypeVar("Item")

PAGE = 1000  # runs, or experiments, asked for at once
# Libraries whose errors are the store's, like those of its files and of a driver that is not installed.
LIBRARIES = ("sqlalchemy", "requests", "urllib3", "alembic", "botocore", "boto3", "google", "azure")
KINDS = {"parameter": "params", "metric": "metrics", "tag": "tags"}  # in a filter -> in a run's data
_quick, _quick_lock = list[bool](), threading.Lock()  # the blocks that are under way, in whatever threads
_before_quick = dict[str, str | None]()
QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15", patience.SECONDS: "0"}


class Connection:
    """A tracking store.

    Attributes:
        uri: the tracking URI, resolved, so that another process or folder finds the same store.
    """

    def __init__(self, uri: str | None = None, patient: bool = False) -> None:
        """Opens the store and asks it one question.

        Args:
            patient: it answered before, and is waited for; else it may be the wrong one.

        Raises:
            StoreError: it does not answer, or MLflow does not support it.
        """
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self.uri = _absolute(uri or mlflow.get_tracking_uri())
        with (
            store_errors(f"tracking store {self.uri!r} cannot be used"),
            nullcontext() if patient else quick(unless_set=True),
        ):
            try:
                if get_uri_scheme(self.uri) in DATABASE_ENGINES:
                    patience.make_databases_patient()
                else:
                    patience.say_of_servers()
                self.client = MlflowClient(tracking_uri=self.uri)
                self.client.search_experiments(max_results=1)
            except ValueError as error:  # it is no URI
                raise StoreError(f"tracking store {self.uri!r} cannot be used: {one_line(error)}") from error

    def experiment_id(self, default: str = "0") -> str:
        """Returns the experiment that MLflow's environment variables name; creates it if it is missing.

        Args:
            default: the id if they name none.
        """
        if experiment_id := MLFLOW_EXPERIMENT_ID.get():
            return str(experiment_id)
        name = MLFLOW_EXPERIMENT_NAME.get()
        if not name:
            return default
        if experiment := self.client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        try:
            return str(self.client.create_experiment(name))
        except MlflowException:  # another process, or a request whose answer was lost, may have made it
            if experiment := self.client.get_experiment_by_name(name):
                return str(experiment.experiment_id)
            raise

    def write(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        series: Mapping[str, Mapping[int, float]] | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Writes to one run in one call: names as MLflow takes them, and what is for people shortened.

        Args:
            metrics: at one step.
            series: metrics at several steps.
        """
        now, names = get_current_time_millis(), Names().of(params or ())
        values = [(name, step, value) for name, value in (metrics or {}).items()]
        values += [(name, at, value) for name, each in (series or {}).items() for at, value in each.items()]
        self.client.log_batch(
            run_id,
            metrics=[Metric(legal(name), value, now, at) for name, at, value in values],
            params=[Param(names[k], _for_people(str(v))) for k, v in (params or {}).items()],
            tags=[RunTag(k, v) for k, v in checked(dict(tags or {})).items()],
        )

    @contextmanager
    def writing(self, run_id: str) -> Iterator[None]:
        """Notices that the run to which something is written was deleted meanwhile.

        Raises:
            RunDeletedError: in place of what the store says to that.
        """
        try:
            yield
        except (MlflowException, StoreError) as error:
            with quick():  # the store may be what failed
                is_deleted = self.is_deleted(run_id)
            if is_deleted:
                raise RunDeletedError from error
            raise

    def is_deleted(self, run_id: str) -> bool:
        """Tells whether somebody has deleted a run, even for good."""
        try:
            return bool(self.client.get_run(run_id).info.lifecycle_stage == LifecycleStage.DELETED)
        except MlflowException as error:
            return bool(error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST))

    def runs(
        self, experiment_ids: list[str], condition: str, order: str, view: int = ViewType.ACTIVE_ONLY
    ) -> Iterator[Run]:
        """Yields the runs that meet a condition in MLflow's filter syntax, page by page.

        Args:
            view: of MLflow's `ViewType`: whether deleted ones are wanted.
        """
        return _pages(
            lambda token: self.client.search_runs(
                experiment_ids, condition, view, max_results=PAGE, order_by=[order], page_token=token
            )
        )

    def models(self, experiment_id: str, condition: str) -> Iterator[LoggedModel]:
        """Yields the logged models that meet a condition in MLflow's filter syntax, the newest first."""
        return _pages(
            lambda token: self.client.search_logged_models([experiment_id], condition, page_token=token)
        )

    def experiment_ids(self) -> list[str]:
        """Returns the ids of all experiments that are not deleted."""
        pages = _pages(lambda token: self.client.search_experiments(max_results=PAGE, page_token=token))
        return [experiment.experiment_id for experiment in pages]


def _absolute(uri: str) -> str:
    """Returns the URI of an SQLite file by its absolute path: a project's process works in another folder."""
    found = re.fullmatch(r"(sqlite:///)(?!/|:memory:|file:)([^?]+)(.*)", uri)
    return f"{found[1]}{Path(found[2]).absolute()}{found[3]}" if found else uri


@lru_cache(maxsize=1)
def connection_to(uri: str, patient: bool = True) -> Connection:
    """Returns a connection to a store; the last one is kept.

    Raises:
        StoreError: as `Connection`.
    """
    return Connection(uri, patient)


def _pages(ask: Callable[[str | None], PagedList[Item]]) -> Iterator[Item]:
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def checked(tags: dict[str, str]) -> dict[str, str]:
    """Returns the tags without passwords, those for people shortened, if no other is too long.

    MLflow may cut one short. A config stays as it is: it is what trains.

    Raises:
        StoreError: a tag is longer than MLflow keeps.
    """
    tags = {k: v if k.startswith(keys.CONFIG) else without_passwords(v) for k, v in tags.items()}
    for key in keys.FOR_PEOPLE.keys() & tags.keys():
        tags[key] = shortened(without_secrets(tags[key]), keys.FOR_PEOPLE[key])
    for key, value in tags.items():
        if len(value) > keys.MAX_TAG:
            raise StoreError(f"tag {key!r} has {len(value)} characters: MLflow keeps {keys.MAX_TAG}")
    return tags


def _for_people(value: str) -> str:
    return shortened(without_secrets(value, named=False), keys.MAX_PARAM)


def context_tags() -> dict[str, str]:
    """Returns the tags that MLflow gives a run (user, source), and the git commit of the working folder."""
    tags: dict[str, str] = resolve_tags()
    commit = get_git_commit(str(Path.cwd()))
    return tags | ({keys.COMMIT: commit} if commit else {})


def in_parts(key: str, text: str) -> dict[str, str]:
    """Returns the tags that hold a text that may be longer than one of them."""
    parts = [text[i : i + keys.PART] for i in range(0, len(text), keys.PART)]
    return {key + (f".{place}" if place else ""): part for place, part in enumerate(parts)}


def whole_text(key: str, tags: Mapping[str, str]) -> str:
    """Returns the text that a run's tags hold in parts; empty if there is none."""
    more = takewhile(lambda name: name in tags, (f"{key}.{place}" for place in count(1)))
    return tags.get(key, "") + "".join(tags[name] for name in more)


def to_json(value: Any) -> str:
    """Returns JSON that reads back equal: floats in their shortest exact form."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def filter_names(where: str) -> list[tuple[str, str]]:
    """Returns what a filter in MLflow's syntax compares: ("params", "metrics" or "tags", name) pairs."""
    parsed = SearchUtils.parse_search_filter(where)
    return [(KINDS[part["type"]], str(part["key"])) for part in parsed if part["type"] in KINDS]


@contextmanager
def store_errors(what: str = "the tracking store refused", files: bool = True) -> Iterator[None]:
    """Turns errors of MLflow and its database into one line.

    Args:
        what: begins the line.
        files: errors of files and imports are the store's, too.

    Raises:
        StoreError: in their place.
    """
    try:
        yield
    except HpoError:
        raise
    except Exception as error:
        kinds = (MlflowException, OSError, ImportError) if files else (MlflowException,)
        if not (isinstance(error, kinds) or type(error).__module__.split(".")[0] in LIBRARIES):
            raise
        line = patience.without_sql(str(error))[:400] or type(error).__name__
        raise StoreError(f"{what}: {line}") from error


@contextmanager
def quick(unless_set: bool = False) -> Iterator[None]:
    """Asks a store once or twice, not for minutes; for a while.

    Args:
        unless_set: where the environment says how long to ask, that counts.
    """
    with _quick_lock:
        if not _quick:
            _before_quick.update({name: os.environ.get(name) for name in QUICK})
        _quick.append(unless_set)
        new = {name: v for name, v in QUICK.items() if not (unless_set and _before_quick[name])}
        os.environ.update(new)
    try:
        yield
    finally:
        with _quick_lock:
            _quick.pop()
            for name, value in () if _quick else _before_quick.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
