"""A study's workers: started when it is known what they load, and asked about the user's model."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlflow_hpo.execution.cluster import ClusterExecutor
from mlflow_hpo.execution.devices import environments
from mlflow_hpo.execution.executor import Executor, answered
from mlflow_hpo.execution.folders import temporary_folder
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.execution.serial import SerialExecutor
from mlflow_hpo.hardware import usable_cores, visible_gpus
from mlflow_hpo.models import ModelInfo, find_model
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.report.study_info import StudyInfo, worker_count
from mlflow_hpo.settings import LOCAL, Settings
from mlflow_hpo.space import Space
from mlflow_hpo.study.checks import is_builtin_study
from mlflow_hpo.study.engines import Cluster
from mlflow_hpo.trial import Config, Trial
from mlflow_hpo.user_code import use_contents
from mlflow_hpo.worker.inspect import describe, dry_run
from mlflow_hpo.worker.startup import environment, load, warm_up

if TYPE_CHECKING:
    from mlflow_hpo.store import Connection

NAMED_DATA = DataInfo(task="classification")  # what all named data sets are


class StudyWorkers:
    """A study's workers, and the connection to its store; an `Inspector` for its plan.

    A context that ends the workers.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        say: Callable[[str], None],
        connection: "Connection | None" = None,
        client: Any = None,
    ) -> None:
        """Nothing starts before `start`.

        Args:
            folder: of contents, see `user_code`.
            say: is told what to print.
            client: of a distributed engine, where Python gave one.
        """
        self._settings, self._folder, self._say, self._client = settings, folder, say, client
        self._executor: Executor | None = None
        self._stack = ExitStack()
        if connection:
            self.connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    @cached_property
    def connection(self) -> "Connection":
        """The store that MLflow's environment names; imports MLflow."""
        from mlflow_hpo.store import Connection, store_errors

        with store_errors():
            return Connection()

    @property
    def executor(self) -> Executor:
        """The workers, once they were started."""
        assert self._executor is not None
        return self._executor

    def start(self, spec: ObjectiveSpec, count: int) -> None:
        """Begins to start the workers, unless they were; waits only for the first slot of a cluster."""
        if self._executor is None:
            made: AbstractContextManager[Executor]
            if self._settings.executor == LOCAL:
                cores, gpus = self._settings.trial_cpus, self._settings.trial_gpus
                made = study_workers(spec, count, self._folder, cores, gpus)
            else:
                use_contents(self._folder)
                made = self._cluster.executor(spec, count)
            self._executor = self._stack.enter_context(made)
            if isinstance(self._executor, LocalExecutor | ClusterExecutor):
                self._executor.start()

    @property
    def _cluster(self) -> Cluster:
        return Cluster(self._settings, self._client, self._folder, lambda: self.connection, self._say)

    def describe(self, spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
        """Describes model and data: built-in ones from a table, others by a worker that loads them."""
        if is_builtin_study(spec):
            return find_model(name), NAMED_DATA
        self.start(spec, worker_count(self._settings, self._settings.most_trials))
        work = self.executor.submit(describe, spec, name)
        _ = self.connection  # MLflow is imported while the worker loads the model
        model, data = answered(work, "it was loaded")
        return model, data

    def dry_run(self, spec: ObjectiveSpec, config: Config, epochs: int) -> tuple[str, ...] | None:
        """Has a worker try a config on a few rows."""
        metrics: tuple[str, ...] | None = answered(
            self.executor.submit(dry_run, spec, config, epochs), "it was tried"
        )
        return metrics

    def earlier_trials(self, info: StudyInfo, space: Space) -> tuple[str, list[Trial]]:
        """Reads the study that `warm_start` names."""
        from mlflow_hpo.store import store_errors
        from mlflow_hpo.study.earlier import earlier_trials

        with store_errors():
            return earlier_trials(self.connection, info, space, self._say)


@contextmanager
def study_folder() -> Iterator[Path]:
    """Makes a folder for a study's contents and what it fetches, removed at the end."""
    with temporary_folder() as folder:
        yield Path(folder).resolve()


@contextmanager
def study_workers(
    spec: ObjectiveSpec, count: int, contents: Path, cores: int | None = None, gpus: float | None = None
) -> Iterator[Executor]:
    """Makes worker processes on this machine; with a count of 0, units run in this process.

    A worker starts with its first unit, unless it is started before.

    Args:
        cores: that a trial may use; None: those of this machine are shared among the workers.
        gpus: likewise; or a part of one.
    """
    use_contents(contents)
    if not count:
        with SerialExecutor(load, (spec,)) as executor:
            yield executor
        return
    threads = cores or max(1, usable_cores() // count)
    preload = Preload(libraries(spec), environment(spec, threads))
    devices = environments(visible_gpus(), count, gpus)
    with temporary_folder() as folder:
        initargs = (spec, threads, folder, str(contents))
        with LocalExecutor(count, warm_up, initargs, loaded=preload, variables=devices) as workers:
            yield workers
