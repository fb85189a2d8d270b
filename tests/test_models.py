from dataclasses import replace

import numpy as np
import pytest
from plans import FOLDER, WorkerInspector

from mlflow_hpo.errors import ConfigError, TrialError
from mlflow_hpo.models import BUILDERS, ModelInfo, find_model
from mlflow_hpo.models.training import learning_rate_at
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.settings import read_settings
from mlflow_hpo.space import parse_space
from mlflow_hpo.study.checks import check_space
from mlflow_hpo.study.setup import plan
from mlflow_hpo.study.source import Given
from mlflow_hpo.trial import Config


def test_a_constant_schedule_stays() -> None:
    assert {learning_rate_at(e, 10, 0.1, "constant") for e in range(10)} == {0.1}


def test_a_cosine_schedule_falls_from_the_base() -> None:
    rates = [learning_rate_at(e, 10, 0.1, "cosine") for e in range(10)]
    assert rates[0] == 0.1
    assert rates == sorted(rates, reverse=True)
    assert rates[5] == pytest.approx(0.05)
    assert rates[9] > 0


def test_a_cyclic_schedule_swings() -> None:
    rates = [learning_rate_at(e, 10, 0.1, "cyclic") for e in range(9)]
    assert rates == pytest.approx([0.1, 0.055, 0.01, 0.055, 0.1, 0.055, 0.01, 0.055, 0.1])


def test_an_unknown_schedule_fails_the_trial() -> None:
    with pytest.raises(TrialError, match="unknown schedule 'linear': known are constant, cosine, cyclic"):
        learning_rate_at(0, 10, 0.1, "linear")


def test_a_space_that_names_what_the_model_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="model 'mlp' takes no 'filters': it takes activation, batch_size"):
        find_model("mlp").check(parse_space("filters: [8, 16]", "s"))


def test_momentum_is_part_of_the_baseline_only_with_sgd() -> None:
    for model in map(find_model, BUILDERS):
        baseline = model.baseline(parse_space(model.space_text, "s"))
        assert baseline["optimizer"] == "adam"
        assert "momentum" not in baseline


@pytest.mark.parametrize("layers", [1, 3])
def test_the_cnn_takes_images_down_to_a_few_pixels(layers: int) -> None:
    model = BUILDERS["cnn"]((8, 8, 1), 10, layers=layers)
    assert model.output_shape == (None, 10)


def test_what_a_space_fixes_holds_for_the_baseline_too() -> None:
    space = parse_space("units: 7\nloss: hinge\ndepth: [1, 2]\nkind: [a, {b: {rate: 0.5}}]", "s")
    model = ModelInfo("own", defaults={"units": 32, "depth": 9, "kind": "b", "rate": 0.1})
    assert model.baseline(space) == {"units": 7, "loss": "hinge", "depth": 9, "kind": "b", "rate": 0.5}


def test_defaults_are_as_a_config_has_them_or_none() -> None:
    given = {"hidden": (50, 2), "rate": np.float64(0.5), "size": np.int64(3), "relu": max, "none": None}
    model = ModelInfo("own", defaults=given)
    assert model.defaults == {"hidden": [50, 2], "rate": 0.5, "size": 3, "none": None}
    assert [type(model.defaults[name]) for name in ("rate", "size")] == [float, int]
    space = parse_space("hidden: [[50, 2], [8]]\nrelu: [tanh, relu]", "s")
    baseline = model.baseline(space)
    assert baseline == {"hidden": [50, 2], "relu": "tanh"}
    assert space.encode(baseline) is not None


class Described(WorkerInspector):
    """Knows one model, as a worker would have described it."""

    def __init__(self, model: ModelInfo) -> None:
        super().__init__()
        self._model = model

    def describe(self, spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
        return self._model, DataInfo()

    def dry_run(self, spec: ObjectiveSpec, config: Config, epochs: int) -> None:
        """Only training tells."""


def epochs_of(model: ModelInfo) -> int:
    settings = read_settings({"model": "own.module:build", "metric": "loss"})
    return plan(settings, Given(FOLDER, space_text="epochs: [10, 40]"), Described(model)).info.max_epochs


def test_only_a_model_whose_config_says_for_how_long_it_trains_has_its_epochs_from_the_space() -> None:
    heeding = ModelInfo("own", epochs_param="epochs", needs_data=False)
    assert epochs_of(heeding) == 40
    assert epochs_of(replace(heeding, epochs_param="")) == 10
    assert epochs_of(ModelInfo("own", takes=frozenset({"epochs"}), has_epochs=False, needs_data=False)) == 1


def test_pbt_is_refused_where_nothing_may_change_and_says_for_what_it_is() -> None:
    space = parse_space("x: [1, 2]", "s")
    with pytest.raises(ConfigError, match="while a Keras model trains, and 'own' has none that may change"):
        check_space("pbt", ModelInfo("own"), space)
    with pytest.raises(ConfigError, match="'pbt' changes lr while a trial trains, and the space has none"):
        check_space("pbt", ModelInfo("own", changeable=("lr",)), space)
