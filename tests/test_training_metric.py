"""A metric of the rows that a model trains on is not what a search is for, unless that is insisted on."""

from pathlib import Path

import pytest
from plans import make_plan

from mlflow_hpo.errors import ConfigError, HpoError
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.metric import Metric
from mlflow_hpo.settings import read_settings
from mlflow_hpo.study.checks import check_asked

CODE = """
import keras_tuner
from sklearn.tree import DecisionTreeClassifier

def tree(max_depth: int = 3):
    return DecisionTreeClassifier(max_depth=max_depth)

def network(units: int = 4):
    import keras
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def hypermodel(hp):
    return network(hp.Int("units", 4, 8))

def stepping(units: int = 4):
    import keras

    class Stepping(keras.Sequential):
        def train_step(self, data):
            return {**super().train_step(data), "own": 1.0}

    model = Stepping([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def blocked(units: int = 4):
    import tensorflow as tf
    model = stepping(units)
    def steps(data):
        if tf.executing_eagerly():
            raise ValueError("only a graph")
        return type(model).train_step(model, data)
    model.train_step = steps
    return model

class OwnFit(keras_tuner.HyperModel):
    def build(self, hp):
        return hypermodel(hp)

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, **kwargs)

def function(config):
    return {"accuracy": 0.5, "val_accuracy": 0.4}
"""
SPACES = {"tree": "max_depth: [1, 2]", "function": "x: [1, 2]"}


@pytest.fixture
def code(tmp_path: Path) -> Path:
    file = tmp_path / "own_models.py"
    file.write_text(CODE)
    return file


@pytest.mark.parametrize(
    ("model", "metric"),
    [
        *((model, "accuracy") for model in ("tree", "network", "hypermodel", "stepping")),
        *(("tree", metric) for metric in ("loss", "f1_macro")),
        *(("network", metric) for metric in ("loss", "recall_macro")),
    ],
)
def test_it_is_refused_with_the_name_that_is_meant(
    model: str, metric: str, code: Path, executor: LocalExecutor
) -> None:
    space = SPACES.get(model, "units: [4, 8]")
    options = {"model": f"{code}:{model}", "data": "digits", "metric": metric}
    meant = f"'{metric}' is measured on the training rows: give val_{metric}, or train:{metric} to insist"
    with pytest.raises(ConfigError, match=meant):
        make_plan(options, space, executor)
    insisted = make_plan({**options, "metric": f"train:{metric}"}, space, executor)
    assert insisted.info.metric == Metric(metric, maximize=metric != "loss")
    assert insisted.spec.metric == insisted.info.metric
    assert insisted.info.settings.metric == f"train:{metric}"
    assert make_plan({**options, "metric": f"val_{metric}"}, space, executor).metric_is_sure


def test_what_a_model_that_steps_by_itself_reports_is_known(code: Path, executor: LocalExecutor) -> None:
    options = {"model": f"{code}:stepping", "data": "digits", "direction": "maximize"}
    assert make_plan({**options, "metric": "own"}, "units: [4, 8]", executor).metric_is_sure
    with pytest.raises(HpoError, match="unknown metric 'val_own': known are accuracy, loss, own, val_acc"):
        make_plan({**options, "metric": "val_own"}, "units: [4, 8]", executor)
    only_a_graph = {**options, "model": f"{code}:blocked", "metric": "val_own"}
    assert not make_plan(only_a_graph, "units: [4, 8]", executor).metric_is_sure


def test_on_folds_too(code: Path, executor: LocalExecutor) -> None:
    options = {"model": f"{code}:tree", "data": "digits", "metric": "accuracy", "folds": 3}
    with pytest.raises(HpoError, match="give val_accuracy"):
        make_plan(options, SPACES["tree"], executor)


def test_of_a_hypermodel_with_its_own_fit_too(code: Path, executor: LocalExecutor) -> None:
    options = {"model": f"{code}:OwnFit", "data": "digits"}
    with pytest.raises(HpoError, match="give val_accuracy, or train:accuracy to insist"):
        make_plan({**options, "metric": "accuracy"}, "units: [4, 8]", executor)
    assert make_plan({**options, "metric": "train:accuracy"}, "units: [4, 8]", executor)


def test_a_function_names_what_it_likes(code: Path, executor: LocalExecutor) -> None:
    options = {"model": f"{code}:function", "metric": "accuracy"}
    assert make_plan(options, SPACES["function"], executor).info.metric.name == "accuracy"


def test_a_built_in_model_has_scorers_that_fit_its_data(executor: LocalExecutor) -> None:
    check_asked(read_settings({"metric": "train:loss"}), "", "")
    plan = make_plan({"metric": "val_f1_macro"}, executor=executor)
    assert (plan.info.metric, plan.metric_is_sure) == (Metric("val_f1_macro", maximize=True), True)
    with pytest.raises(HpoError, match="'val_f1' is not for 10 classes: give val_f1_macro"):
        make_plan({"metric": "val_f1"}, executor=executor)


def test_a_misspelt_scorer_is_refused_with_those_that_are_alike(code: Path, executor: LocalExecutor) -> None:
    options = {"model": f"{code}:tree", "data": "digits", "metric": "val_f1_makro"}
    meant = "unknown metric 'val_f1_makro': known are accuracy, .*, and .*: did you mean val_f1_macro or "
    with pytest.raises(HpoError, match=meant):
        make_plan(options, SPACES["tree"], executor)
    with pytest.raises(ConfigError, match=meant):
        check_asked(read_settings({"metric": "val_f1_makro"}), "", "")
