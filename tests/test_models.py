import pytest

from mlflow_hpo.errors import ConfigError, TrialError
from mlflow_hpo.models import BUILDERS, find_model
from mlflow_hpo.models.training import learning_rate_at
from mlflow_hpo.space import parse_space


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
