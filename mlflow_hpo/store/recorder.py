"""What a worker writes to its trial's run: metrics, data set, machine, model."""

import importlib
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.utils.time import get_current_time_millis

from mlflow_hpo.data import Data
from mlflow_hpo.errors import SetupError
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, store_errors, to_json
from mlflow_hpo.store.fluent import use_store

FIRST_FLUSH, LAST_FLUSH, GROWTH = 1.0, 30.0, 0.25  # seconds, seconds, part of the time so far
DATASET_ATTEMPTS = 3
SAMPLING_SECONDS = 1.0  # MLflow's own 10 would leave a short trial without a sample


class Recorder:
    """Buffers metrics and writes them in batches; a context that flushes at its end.

    The pause between two writes starts at a second and grows with the time so far, up to half a
    minute: a short trial is seen live, and a long one costs few calls.
    """

    def __init__(self, connection: Connection, run_id: str, experiment_id: str) -> None:
        self.connection, self.run_id, self._experiment_id = connection, run_id, experiment_id
        self._metrics: list[Metric] = []
        self._tags: dict[str, str] = {}
        self._lock = threading.Lock()
        self._started = self._flushed = monotonic()
        self._stop = threading.Event()
        self._sampler: threading.Thread | None = None

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        if self._sampler:
            self._sampler.join()
        self.flush()

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Record metrics of one step; they are written soon, or at the end."""
        now = get_current_time_millis()
        with self._lock:
            self._metrics += [Metric(k, float(v), now, step) for k, v in values.items()]
        pause = min(max(FIRST_FLUSH, GROWTH * (monotonic() - self._started)), LAST_FLUSH)
        if monotonic() - self._flushed >= pause:
            self.flush()

    def flush(self) -> None:
        """Write what is buffered, in one call; what the store did not take stays buffered."""
        with self._lock:
            metrics, self._metrics = self._metrics, []
            tags, self._tags = self._tags, {}
            self._flushed = monotonic()
        try:
            with store_errors(files=False):
                self.connection.client.log_batch(
                    self.run_id, metrics=metrics, tags=[RunTag(k, v) for k, v in tags.items()]
                )
        except BaseException:
            with self._lock:
                self._metrics, self._tags = metrics + self._metrics, tags | self._tags
            raise

    def last_epoch(self, metric: str) -> int:
        """The last epoch whose metrics the run has: an earlier attempt of a unit may have left some."""
        history = self.connection.client.get_metric_history(self.run_id, metric)
        return max((m.step for m in history), default=0)

    def machine(self, facts: Mapping[str, str]) -> None:
        """Tag the run with what it runs on."""
        self._tags |= {keys.MACHINE + k: v for k, v in facts.items()}

    def dataset(self, data: Data) -> None:
        """Log the data set as an input of the run."""
        shape = {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}
        profile = {"rows": shape, "shape": data.shape, "classes": data.classes}
        entity = Dataset(
            data.name, data.digest, "code", to_json({"source": data.source}), None, to_json(profile)
        )
        inputs = [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])]
        for attempt in range(DATASET_ATTEMPTS):
            try:
                self.connection.client.log_inputs(self.run_id, inputs)
                return
            except Exception:  # the first two to log a data set in an experiment: MLflow looks, then inserts
                if attempt == DATASET_ATTEMPTS - 1:
                    raise

    def sample_system(self, since: float) -> None:
        """Record MLflow's system metrics until the end; steps are seconds, counted from `since`."""
        self._sampler = threading.Thread(target=self._sample, args=(since,), daemon=True)
        self._sampler.start()

    def _sample(self, since: float) -> None:
        monitors = _monitors()
        over = False
        while not over:
            over = self._stop.wait(SAMPLING_SECONDS if monitors[0].metrics else 0.05)
            values: dict[str, float] = {}
            for monitor in monitors:
                monitor.clear_metrics()
                monitor.collect_metrics()
                values |= {f"system/{k}": v for k, v in monitor.aggregate_metrics().items()}
            with suppress(Exception):  # it stays buffered: the training thread writes it, or raises
                self.metrics(values, round(since + monotonic() - self._started))

    def model(
        self, flavor: str, model: Any, epochs: int, *, inputs: Any = None, outputs: Any = None, **how: Any
    ) -> str:
        """Log a model with one of MLflow's flavors.

        `mlflow.FLAVOR.log_model` would load and call the model again to check its own input example,
        which takes longer than the training of a small one; so its parts are called here.

        Args:
            inputs, outputs: a few rows of each, for the signature; the inputs become its example. Without
                them there is neither.
            how: what else the flavor's `save_model` takes, such as pip_requirements.

        Returns:
            The model's URI, `models:/ID`.

        Raises:
            SetupError: it is no model of that flavor.
        """
        if inputs is not None:
            how |= {"signature": infer_signature(inputs, outputs), "input_example": inputs}
        client = self.connection.client
        with store_errors(files=False):
            logged = client.create_logged_model(self._experiment_id, name="model", source_run_id=self.run_id)
        about = Model(
            artifact_path=logged.artifact_location,
            run_id=self.run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with tempfile.TemporaryDirectory() as folder:
            _save(flavor, model, folder, mlflow_model=about, **how)
            self.metrics({keys.MODEL_SIZE: _size(Path(folder))}, epochs)
            with store_errors(files=False):
                client.log_model_artifacts(logged.model_id, folder)
                client.finalize_logged_model(logged.model_id, "READY")
                client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=epochs)])
        return f"models:/{logged.model_id}"


def _save(flavor: str, model: Any, folder: str, **how: Any) -> None:
    save = importlib.import_module(f"mlflow.{flavor}").save_model
    first = {"path": folder, "python_model": model} if flavor == "pyfunc" else {}
    try:
        save(*(() if first else (model, folder)), **first, **how)
    except MlflowException as error:
        raise SetupError(f"mlflow.{flavor} cannot save a {type(model).__name__}: {error}") from error


def load_model(flavor: str, uri: str, tracking_uri: str) -> Any:
    """A logged model, as its framework has it."""
    use_store(tracking_uri)
    return importlib.import_module(f"mlflow.{flavor}").load_model(uri)


def load_native(uri: str, tracking_uri: str) -> Any:
    """A logged model as its own framework has it, where it has one."""
    use_store(tracking_uri)
    flavors = [name for name in mlflow.models.get_model_info(uri).flavors if name != "python_function"]
    return load_model(flavors[0] if flavors else "pyfunc", uri, tracking_uri)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _monitors() -> list[Any]:
    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        monitors.append(GPUMonitor())
    except (ImportError, RuntimeError):  # MLflow's own way to say that there is no GPU
        return monitors
    return monitors
