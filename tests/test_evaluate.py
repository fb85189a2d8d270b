"""A logged model's signature and scores come from one call, also where it cannot be scored."""

from collections.abc import Callable
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.errors import StoreError
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.store import Connection, Recorder
from mlflow_hpo.store.models import default_store
from mlflow_hpo.worker.evaluate import Signature, evaluate_model
from mlflow_hpo.worker.messages import Task

DIGITS = DataSpec("digits")
SPEC = ObjectiveSpec("sklearn.neighbors:KNeighborsClassifier", DIGITS)


class Refusing(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Takes no rows at all."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        raise TypeError("it takes no images")


@pytest.fixture
def task(connection: Connection, experiment: str) -> Task:
    return Task(SPEC, (Metric("val_accuracy", maximize=True),), None, 1, connection.uri, experiment)


@pytest.fixture
def log(connection: Connection, experiment: str) -> Callable[..., str]:
    def log(flavor: str, model: Any, x: Any) -> str:
        run_id = connection.client.create_run(experiment).info.run_id
        with default_store(connection.uri), Recorder(connection, run_id, experiment) as recorder:
            return recorder.model(flavor, model, 1, inputs=x, outputs=np.arange(2), pip_requirements=[])

    return log


IMAGES, PIXELS = (data.train.x[:2] for data in (load_data(DIGITS), flattened(load_data(DIGITS))))


def fitted() -> KNeighborsClassifier:
    train = flattened(load_data(DIGITS)).train
    return KNeighborsClassifier(3).fit(train.x, train.y)


def test_signature_scores_and_rows_come_together(task: Task, log: Callable[..., str]) -> None:
    found = evaluate_model(task, log("sklearn", fitted(), PIXELS))
    assert '"shape":[-1,64]' in found.signature.inputs
    assert found.scores["accuracy"] == found.rows["accuracy"].mean() > 0.9
    assert found.scores["loss"] == pytest.approx(found.rows["loss"].mean())
    assert (found.digest, found.classes) == (load_data(DIGITS).digest, tuple("0123456789"))
    assert not found.failure


def test_a_model_with_another_signature_is_not_scored(task: Task, log: Callable[..., str]) -> None:
    uri = log("sklearn", fitted(), PIXELS)
    found = evaluate_model(task, uri, False, Signature("other", "other"))
    assert (found.rows, found.failure) == ({}, "it has another signature")
    assert evaluate_model(task, uri, False, found.signature).rows


def test_a_model_that_cannot_be_scored_still_has_its_signature(task: Task, log: Callable[..., str]) -> None:
    for rows, shape, failure in (
        (IMAGES, "[-1,8,8,1]", "TypeError: it takes no images"),
        (PIXELS, "[-1,64]", "MlflowException: Failed to enforce schema of data"),
    ):
        found = evaluate_model(task, log("pyfunc", Refusing(), rows), False)
        assert f'"shape":{shape}' in found.signature.inputs
        assert not found.rows
        assert found.failure.startswith(failure)


def test_a_model_that_is_not_there_is_an_error(task: Task) -> None:
    with pytest.raises(StoreError):
        evaluate_model(task, "models:/m-0123456789abcdef0123456789abcdef")
