"""Where a study's units run: the executor that its settings name."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.execution.archive import archive
from mlflow_hpo.execution.cluster import ClusterExecutor
from mlflow_hpo.execution.engine import Engine, Order, Resources
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.leftovers import MARKS
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.hardware import HOST, VISIBLE_GPUS, gpu_room, usable_cores, visible_gpus
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.settings import LOCAL, Settings
from mlflow_hpo.user_code import save_content
from mlflow_hpo.worker.reach import check_host
from mlflow_hpo.worker.startup import environment, warm_up

if TYPE_CHECKING:
    from mlflow_hpo.store import Connection

LIBRARIES = {
    "ray": "ray",
    "dask": "distributed",
}  # engine, which is also its extra -> what its file imports
# Variables that hosts are handed on, in messages alone: how the store, its artifacts and Keras are used.
HANDED_ON = ("MLFLOW_", "AWS_", "AZURE_", "GOOGLE_", "DATABRICKS_", "KERAS_", "TF_")
OWN = (MARKS, HOST, "MLFLOW_HPO_PRELOAD", "MLFLOW_HPO_SCRIPT")


def check_executor(settings: Settings) -> None:
    """Raises ConfigError if the settings name no executor, or one that is not installed or cannot do it."""
    engine, _, address = settings.executor.partition("://")
    share = settings.trial_gpus or 0.0
    if share > 1 and share % 1:
        raise ConfigError(f"trial-gpus: {share:g} is no number of GPUs, and no part of one")
    if engine == LOCAL and not address:
        _check_gpus(settings)
        return
    if engine not in LIBRARIES or settings.executor.endswith("://"):
        forms = ", ".join(f"{name}, {name}://HOST:PORT" for name in LIBRARIES)
        raise ConfigError(f"executor: {settings.executor!r} is none: give {LOCAL}, {forms}")
    if find_spec(LIBRARIES[engine]) is None:
        raise ConfigError(
            f"executor: {settings.executor!r} needs {LIBRARIES[engine]}: pip install 'mlflow-hpo[{engine}]'"
        )
    if settings.workers == 0:
        raise ConfigError(f"workers: 0 trains in this process, and {settings.executor!r} in others: give one")


def _check_gpus(settings: Settings) -> None:
    """Raises ConfigError if this machine does not have the GPUs that trials are to take."""
    share, workers = settings.trial_gpus, settings.workers
    if not share:
        return
    if workers == 0:
        raise ConfigError(
            f"trial-gpus: {share:g} is a worker's, and workers is 0: give one, or leave it open"
        )
    gpus, visible = visible_gpus(), os.environ.get(VISIBLE_GPUS)
    why = "" if visible is None else f" ({VISIBLE_GPUS} is {visible!r})"
    if not gpus:
        raise ConfigError(f"trial-gpus: {share:g} needs a GPU, and this machine has none{why}: give 0")
    most = 1 if any(gpu.is_part for gpu in gpus) else len(gpus)
    if share > most:
        raise ConfigError(f"trial-gpus: {share:g} is more than a trial can have here, {most}{why}")
    room = gpu_room(gpus, share)
    if workers != "auto" and workers > room:
        raise ConfigError(
            f"workers: {workers} with trial-gpus {share:g} are more than there is room for, {room}{why}"
        )


@dataclass(frozen=True)
class Cluster:
    """What makes a study's executor on a distributed engine.

    Attributes:
        given: a client of the engine's that Python gave; None: the settings say where to connect.
        contents: the driver's folder of them.
        connection: gives that to the store.
        say: is told what becomes of hosts.
    """

    settings: Settings
    given: Any
    contents: Path
    connection: "Callable[[], Connection]"
    say: Callable[[str], None]

    def executor(self, spec: ObjectiveSpec, most: int) -> ClusterExecutor:
        """Connects to the engine.

        Args:
            most: slots to use.

        Raises:
            ConfigError: nobody answers.
        """
        threads = self.settings.trial_cpus or 1
        order = Order(
            initializer=warm_up,
            initargs=(spec, threads),
            loaded=Preload(libraries(spec), environment(spec, threads)),
            environment=_handed_on(),
            folder=str(Path.cwd()),
            path=tuple(entry for entry in sys.path if isinstance(entry, str)),
            contents=str(self.contents),
            gpus=self.settings.trial_gpus,
        )
        return ClusterExecutor(self._engine(most), order, most, self.say, partial(self._elsewhere, spec))

    def _engine(self, most: int) -> Engine:
        settings = self.settings
        resources = Resources(settings.trial_cpus or 1, settings.trial_gpus or 0.0)
        asked = None if settings.workers == "auto" else settings.workers
        here = max(1, min(asked or usable_cores() // resources.cpus, most))
        if resources.gpus:
            here = min(here, gpu_room(visible_gpus(), resources.gpus))
        if settings.executor.startswith("ray"):
            from mlflow_hpo.execution import ray

            return ray.connect(settings.executor, resources, asked, here)
        from mlflow_hpo.execution import dask

        return dask.connect(self.given or settings.executor, resources, here)

    def _elsewhere(self, spec: ObjectiveSpec, order: Order) -> Order:
        """Completes the order for hosts that do not share this machine's disk.

        Raises:
            HpoError: the study cannot run there.
        """
        from mlflow_hpo.store.reach import check_shared

        if spec.project:
            raise ConfigError(
                f"executor: a project is tuned on this machine, and {self.settings.executor!r} has others: "
                f"give {LOCAL}"
            )
        connection = self.connection()
        experiment_id = connection.experiment_id()
        check_shared(connection, experiment_id)
        files = archive(spec)
        packed = save_content(files, self.contents) if files else ""
        of_data = (spec.data.content, spec.data.splits)
        digests = (spec.code, *of_data, spec.scorer, spec.options, spec.callbacks_code, packed)
        probe = partial(check_host, spec, connection.uri, experiment_id)
        return replace(order, digests=tuple(filter(None, digests)), archive=packed, probe=probe)


def _handed_on() -> dict[str, str]:
    return {n: v for n, v in os.environ.items() if n.startswith(HANDED_ON) and n not in OWN}
