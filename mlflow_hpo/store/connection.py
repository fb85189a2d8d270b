"""The way to the tracking store: one client, errors in one line, and what every run is tagged with."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.time import get_current_time_millis

from mlflow_hpo.errors import HpoError, StoreError, one_line
from mlflow_hpo.store import keys

Found = TypeVar("Found")

PAGE = 1000  # runs, or experiments, asked for at once
# Whose errors are the store's too, beside those of its files and of a driver that is not installed.
OTHERS = ("sqlalchemy", "requests", "urllib3", "alembic", "botocore", "boto3", "google", "azure")
KINDS = {"parameter": "params", "metric": "metrics", "tag": "tags"}  # MLflow's words -> of a run's data
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15"}


class Connection:
    """A tracking store.

    Attributes:
        uri: the tracking URI, resolved, so that another process or folder finds the same store.
    """

    def __init__(self, uri: str | None = None) -> None:
        """Open the store and ask it one question.

        Raises:
            StoreError: it does not answer, or is no store that MLflow supports.
        """
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)
        self.uri = uri or mlflow.get_tracking_uri()
        with store_errors(f"tracking store {self.uri!r} cannot be used"), _impatient():
            self.client = MlflowClient(tracking_uri=self.uri)
            self.client.search_experiments(max_results=1)

    def experiment_id(self) -> str:
        """The experiment that MLflow's environment variables name, made where it is missing."""
        if found := MLFLOW_EXPERIMENT_ID.get():
            return str(found)
        name = MLFLOW_EXPERIMENT_NAME.get()
        if not name:
            return "0"
        experiment = self.client.get_experiment_by_name(name)
        return experiment.experiment_id if experiment else self.client.create_experiment(name)

    def write(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write to one run in one call."""
        now = get_current_time_millis()
        self.client.log_batch(
            run_id,
            metrics=[Metric(k, v, now, step) for k, v in (metrics or {}).items()],
            params=[Param(k, str(v)) for k, v in (params or {}).items()],
            tags=[RunTag(k, v) for k, v in checked(dict(tags or {})).items()],
        )

    def runs(self, experiment_ids: list[str], condition: str, order: str) -> Iterator[Run]:
        """Every run that meets the condition (MLflow's filter syntax), page by page."""
        yield from _pages(
            lambda token: self.client.search_runs(
                experiment_ids, condition, max_results=PAGE, order_by=[order], page_token=token
            )
        )

    def experiment_ids(self) -> list[str]:
        """Every experiment that is not deleted."""
        pages = _pages(lambda token: self.client.search_experiments(max_results=PAGE, page_token=token))
        return [experiment.experiment_id for experiment in pages]


@lru_cache(maxsize=1)
def connection_to(uri: str) -> Connection:
    """Returns a connection to a store; the last one is kept.

    Raises:
        StoreError: as `Connection`.
    """
    return Connection(uri)


def _pages(ask: Callable[[str | None], PagedList[Found]]) -> Iterator[Found]:
    token: str | None = None
    while True:
        page = ask(token)
        yield from page
        token = page.token
        if not token:
            return


def checked(tags: dict[str, str]) -> dict[str, str]:
    """The tags, unless one is too long: MLflow may cut it short, and it is to be read back.

    Raises:
        StoreError: a tag is longer than MLflow takes.
    """
    for key, value in tags.items():
        if len(value) > keys.MAX_TAG:
            raise StoreError(f"tag {key!r} has {len(value)} characters: MLflow keeps {keys.MAX_TAG}")
    return tags


def context_tags() -> dict[str, str]:
    """What the fluent API would tag a run with (user, source), and the git commit of this folder."""
    tags: dict[str, str] = resolve_tags()
    commit = get_git_commit(str(Path.cwd()))
    return tags | ({keys.COMMIT: commit} if commit else {})


def to_json(value: Any) -> str:
    """JSON that reads back equal: floats by their shortest exact form."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def filter_names(where: str) -> list[tuple[str, str]]:
    """What a filter in MLflow's syntax compares: ("params", "metrics" or "tags", name) pairs."""
    parsed = SearchUtils.parse_search_filter(where)
    return [(KINDS[part["type"]], str(part["key"])) for part in parsed if part["type"] in KINDS]


@contextmanager
def store_errors(what: str = "the tracking store refused", files: bool = True) -> Iterator[None]:
    """Turn MLflow's and its database's errors into one line; those of files and imports where `files`.

    Raises:
        StoreError: in their place.
    """
    try:
        yield
    except MlflowException as error:
        raise StoreError(f"{what}: {_line(error)}") from error
    except HpoError:
        raise
    except Exception as error:
        foreign = type(error).__module__.split(".")[0] in OTHERS
        if not foreign and not (files and isinstance(error, OSError | ImportError)):
            raise
        raise StoreError(f"{what}: {_line(error)}") from error


@contextmanager
def _impatient() -> Iterator[None]:
    """MLflow retries for minutes; whether a server is there at all, one try tells."""
    before = {key: os.environ.get(key) for key in PATIENCE}
    os.environ.update({key: before[key] or value for key, value in PATIENCE.items()})
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


def _line(error: Exception) -> str:
    return one_line(error, None).split("[SQL:")[0].rstrip()[:400]
