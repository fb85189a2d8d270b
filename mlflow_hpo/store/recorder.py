"""Writes to a trial's run from its worker: metrics, data set, machine, model."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Self

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, RunTag
from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
from mlflow.utils.time import get_current_time_millis

from mlflow_hpo.data import Data
from mlflow_hpo.errors import StoreError, SupersededError, without_passwords
from mlflow_hpo.space import Asked, dump_asked
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, in_parts, store_errors, to_json
from mlflow_hpo.store.models import log_model, ready_models
from mlflow_hpo.store.names import Names, legal, shortened

FIRST_FLUSH, LAST_FLUSH, GROWTH = 1.0, 30.0, 0.25  # seconds, seconds, part of the time so far
DATASET_ATTEMPTS = 3
SAMPLING_SECONDS = 1.0  # MLflow's own 10 would leave a short trial without a sample
FIRST_SAMPLE_SECONDS = 0.05


Check = Callable[[], None]


def may_write() -> None:
    """Allows all writes: there is no driver that could lose the study."""


class Recorder:
    """Buffers metrics and writes them in batches; a context that flushes at its end.

    The pause between two writes starts at a second and grows with the time so far, up to half a
    minute: a short trial is seen live, and a long one costs few calls.

    Attributes:
        names: under which metrics are logged; those that were asked for first count.
        check: is called before each write; it raises if nothing may be written any more.
    """

    def __init__(
        self, connection: Connection, run_id: str, experiment_id: str, check: Check = may_write
    ) -> None:
        self.connection, self.run_id, self._experiment_id = connection, run_id, experiment_id
        self.check = check
        self.names = Names()
        self._metrics: list[Metric] = []
        self._tags: dict[str, str] = {}
        self._asked: Asked = {}
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._started = self._flushed = monotonic()
        self._sampler: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stop.set()
        if isinstance(error, StoreError | SupersededError):  # the store was waited for already
            return
        if self._sampler:
            self._sampler.join()
        self.flush()

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Records metrics of one step; they are written soon, or at the end."""
        now = get_current_time_millis()
        with self._lock:
            names = self.names.of(values)
            self._metrics += [Metric(names[k], float(v), now, step) for k, v in values.items()]
        pause = min(max(FIRST_FLUSH, GROWTH * (monotonic() - self._started)), LAST_FLUSH)
        if monotonic() - self._flushed >= pause:
            self.flush()

    def asked(self, asked: Asked) -> None:
        """Records as params and a tag what the objective has asked for so far; written as metrics are."""
        with self._lock:
            self._asked = dict(asked)

    def attribute(self, key: str, value: str) -> None:
        """Records what the objective wants to be kept with its trial, as a tag."""
        with self._lock:
            self._tags[keys.ATTRIBUTES + legal(key)] = shortened(value, keys.PART)

    def flush(self) -> None:
        """Writes what is buffered, in one call; if the store refuses, it stays buffered."""
        with self._lock:
            metrics, self._metrics = self._metrics, []
            tags, self._tags = self._tags, {}
            asked, self._asked = self._asked, {}
            self._flushed = monotonic()
        try:
            with store_errors(files=False):
                self.check()
                if asked:
                    params = {name: value for name, (value, _) in asked.items()}
                    parts = in_parts(keys.ASKED, dump_asked(asked))
                    self.connection.write(self.run_id, params=params, tags=parts)
                self.connection.client.log_batch(
                    self.run_id, metrics=metrics, tags=[RunTag(k, v) for k, v in tags.items()]
                )
        except BaseException:
            with self._lock:
                self._metrics, self._tags = metrics + self._metrics, tags | self._tags
                self._asked = self._asked or asked
            raise

    def last_epoch(self, metric: str) -> int:
        """Returns the last epoch with metrics on the run: an earlier attempt of a unit may have left some."""
        return max(self.history(metric), default=0)

    def history(self, metric: str) -> dict[int, float]:
        """Returns what the run has of a metric: step -> value."""
        history = self.connection.client.get_metric_history(self.run_id, self.names.of([metric])[metric])
        return {m.step: m.value for m in history}

    def logged(self, metrics: Sequence[str]) -> dict[str, float]:
        """Returns the last value on the run of those metrics that it has."""
        self.flush()
        values = self.connection.client.get_run(self.run_id).data.metrics
        legal = self.names.of(metrics)
        return {name: values[legal[name]] for name in metrics if legal[name] in values}

    def machine(self, facts: Mapping[str, str]) -> None:
        """Tags the run with the machine it is trained on."""
        self._tags |= {keys.MACHINE + k: v for k, v in facts.items()}

    def dataset(self, data: Data) -> None:
        """Logs the data set as an input of the run."""
        profile = to_json({"rows": data.counts, "shape": data.shape, "classes": data.classes})
        entity = Dataset(
            without_passwords(data.name),
            data.digest,
            "code",
            to_json({"source": without_passwords(data.source)}),
            None,
            profile,
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
        """Records MLflow's system metrics until the end; steps are seconds, counted from `since`."""
        self._sampler = threading.Thread(target=self._sample, args=(since,), daemon=True)
        self._sampler.start()

    def _sample(self, since: float) -> None:
        monitors, stopped = _monitors(), False
        while not stopped:
            stopped = self._stop.wait(SAMPLING_SECONDS if monitors[0].metrics else FIRST_SAMPLE_SECONDS)
            values: dict[str, float] = {}
            for monitor in monitors:
                monitor.clear_metrics()
                monitor.collect_metrics()
                values |= {f"system/{k}": v for k, v in monitor.aggregate_metrics().items()}
            with suppress(Exception):  # it stays buffered: the training thread writes it, or raises
                self.metrics(values, round(since + monotonic() - self._started))

    def model(self, flavor: str, model: Any, epochs: int, **how: Any) -> str:
        """Logs a model and its size; returns its URI. See `log_model` for the arguments."""
        self.check()
        uri, size = log_model(self.connection, self._experiment_id, self.run_id, flavor, model, epochs, **how)
        self.metrics({keys.MODEL_SIZE: size}, epochs)
        return uri

    def logged_models(self) -> dict[str, int]:
        """Returns the models of the run and those below it, the run's newest last: URI -> step."""
        with store_errors(files=False):
            return ready_models(self.connection, self._experiment_id, self.run_id)


def _monitors() -> list[Any]:
    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    with suppress(ImportError, RuntimeError):  # MLflow's own way to say that there is no GPU
        monitors.append(GPUMonitor())
    return monitors
