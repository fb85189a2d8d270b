"""KerasTuner's hypermodels work as they stand, and their space becomes ours."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from contracts import ObjectiveContract
from units import Reports

keras_tuner = pytest.importorskip("keras_tuner", reason="KerasTuner is an extra")

from mlflow_hpo.data import DataSpec, load_data  # noqa: E402
from mlflow_hpo.errors import ConfigError, StudyError, TrialError  # noqa: E402
from mlflow_hpo.objectives.keras import KerasObjective, Tuner, is_hypermodel  # noqa: E402
from mlflow_hpo.space import Choice, Fixed, Float, Int, Space, parse_space  # noqa: E402
from mlflow_hpo.trial import Config  # noqa: E402

DIGITS = DataSpec("digits", 0)


def build_model(hp: Any) -> Any:
    """As KerasTuner's own guide writes it: loops, branches, no conditional scope."""
    import keras

    model = keras.Sequential([keras.layers.Flatten()])
    for i in range(hp.Int("layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 16, 64, step=16), activation="relu"))
    if hp.Boolean("dropout"):
        model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5, step=0.1)))
    model.add(keras.layers.Dense(10, activation="softmax"))
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    loss = hp.Fixed("loss", "categorical_crossentropy")
    model.compile(keras.optimizers.SGD(rate), loss=loss, metrics=["accuracy"])
    return model


class Branching(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
    """One with conditional scopes, and a `fit` with a hyperparameter of its own."""

    def build(self, hp: Any) -> Any:
        import keras

        kind = hp.Choice("kind", ["mlp", "cnn"])
        model = keras.Sequential([keras.Input((8, 8, 1))])
        with hp.conditional_scope("kind", ["mlp"]):
            if kind == "mlp":
                model.add(keras.layers.Flatten())
                model.add(keras.layers.Dense(hp.Int("units", 8, 32, step=8), activation="relu"))
                model.add(keras.layers.Dropout(0.2))
        with hp.conditional_scope("kind", ["cnn"]):
            if kind == "cnn":
                model.add(keras.layers.Conv2D(hp.Choice("filters", [2, 4]), 3, activation="relu"))
                model.add(keras.layers.Flatten())
        model.add(keras.layers.Dense(10, activation="softmax"))
        rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
        model.compile(
            keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [32, 64]), **kwargs)


class Looping(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
    """One with a training loop of its own, which calls the callbacks as KerasTuner's guide says."""

    def build(self, hp: Any) -> Any:
        return build_model(hp)

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any, **kwargs: Any
    ) -> Any:
        for callback in callbacks:
            callback.set_model(model)
        for epoch in range(kwargs["epochs"]):
            model.train_on_batch(x[:64], y[:64])
            scores = model.evaluate(*validation_data, verbose=0, return_dict=True)
            for callback in callbacks:
                callback.on_epoch_end(epoch, {f"val_{k}": v for k, v in scores.items()})
            if model.stop_training:
                break
        return scores["accuracy"]


def objective(target: Any) -> KerasObjective:
    found = KerasObjective(Tuner(target))
    found.warm_up()
    return found


class TunerContract(ObjectiveContract):
    metrics: ClassVar[set[str]] = {"loss", "accuracy", "val_loss", "val_accuracy"}


class TestFunction(TunerContract):
    objective = objective(build_model)
    config: ClassVar[Config] = {"layers": 2, "units_0": 16, "units_1": 32, "dropout": True, "rate": 0.3}
    broken: ClassVar[Config] = {"layers": 1, "learning_rate": 1e30}


class TestClassWithFit(TunerContract):
    objective = objective(Branching)
    config: ClassVar[Config] = {"kind": "mlp", "units": 16, "batch_size": 64}
    broken: ClassVar[Config] = {"kind": "cnn", "learning_rate": 1e30}


def space(target: Any) -> Space:
    text = objective(target).describe("own", load_data(DIGITS)).space_text
    return parse_space(text, "space")


def test_what_appears_only_on_some_branches_is_found() -> None:
    found = space(build_model).parameters
    assert {"units_0", "units_1", "units_2", "rate"} <= set(found)
    assert found["layers"] == Int(low=1, high=3)
    assert found["units_1"] == Int(low=16, high=64, step=16)
    assert found["rate"] == Float(low=0.1, high=0.5, step=0.1)
    assert found["learning_rate"] == Float(low=1e-4, high=1e-1, log=True)
    assert found["loss"] == Fixed("categorical_crossentropy")


def test_conditions_become_branches_and_fits_own_are_found() -> None:
    found = space(Branching)
    kind = found.parameters["kind"]
    assert isinstance(kind, Choice)
    below = {o.value: o.space.names() if o.space else set() for o in kind.options}
    assert below == {"mlp": {"units"}, "cnn": {"filters"}}
    assert set(found.parameters) == {"kind", "learning_rate", "batch_size"}


def test_a_parent_that_is_a_range_becomes_a_choice_of_its_values() -> None:
    def build(hp: Any) -> Any:
        import keras

        hp.Int("layers", 1, 2)
        with hp.conditional_scope("layers", [2]):
            hp.Choice("second", [8, 16])
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
        model.compile("adam", "mse")
        return model

    layers = space(build).parameters["layers"]
    assert isinstance(layers, Choice)
    assert [(o.value, o.space.names() if o.space else None) for o in layers.options] == [
        (1, None),
        (2, {"second"}),
    ]


def test_the_defaults_are_the_baseline() -> None:
    model = objective(build_model).describe("own", load_data(DIGITS))
    baseline = model.baseline(parse_space(model.space_text, "space"))
    assert (baseline["layers"], baseline["learning_rate"], baseline["dropout"]) == (1, 1e-3, False)


def test_a_loop_of_the_users_own_reports_through_the_callbacks(tmp_path: Path) -> None:
    handle = TestFunction().handle(tmp_path, 0, 2)
    objective(Looping).train(handle)
    assert sorted(handle.progress.reported) == [1, 2]
    assert "val_accuracy" in handle.progress.reported[2]


def test_a_loop_of_the_users_own_goes_on_by_training_all_epochs_again(tmp_path: Path) -> None:
    own, parts = objective(Looping), TestFunction()
    for start, epochs in ((0, 1), (1, 3)):
        handle = parts.handle(tmp_path / "parts", start, epochs)
        own.train(handle)
        assert not handle.ended_itself
    whole = parts.handle(tmp_path / "whole", 0, 3)
    own.train(whole)
    assert sorted(handle.progress.reported) == [2, 3]
    assert handle.progress.reported[3] == pytest.approx(whole.progress.reported[3], abs=2e-3)


def test_a_loop_of_the_users_own_that_looks_at_stop_training_can_be_ended(tmp_path: Path) -> None:
    handle = TestFunction().handle(tmp_path, 0, 4, reports=Reports(stop_after=2))
    objective(Looping).train(handle)
    assert sorted(handle.progress.reported) == [1, 2]
    assert handle.reached == 2


def test_a_silent_loop_of_the_users_own_is_promoted_too(tmp_path: Path) -> None:
    class Silent(Looping):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return {"val_accuracy": super().fit(hp, model, *args, **{**kwargs, "callbacks": []})}

    for start, epochs in ((0, 1), (1, 3)):
        handle = TestFunction().handle(tmp_path / "parts", start, epochs)
        objective(Silent).train(handle)
        assert list(handle.progress.reported) == [epochs]
        assert not handle.ended_itself


def test_a_final_training_needs_no_name_for_the_number_that_fit_returns(tmp_path: Path) -> None:
    class Silent(Looping):
        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            return super().fit(hp, model, *args, **{**kwargs, "callbacks": []})

    handle = TestFunction().handle(tmp_path, 0, 1, metric="")
    objective(Silent).train(handle)
    assert set(handle.progress.reported[1]) == {"default_objective"}


def test_keras_tuners_own_applications_are_given_what_they_ask_for() -> None:
    from keras_tuner.applications import HyperResNet

    class Small(HyperResNet):  # type: ignore[misc]
        """The application itself, on a few classes of small images: its constructor is what counts here."""

    found = objective(Small).describe("own", load_data(DIGITS))
    assert {"version", "optimizer", "learning_rate"} <= set(found.takes or ())
    assert found.needs_data


def test_a_hypermodel_is_told_from_other_functions() -> None:
    assert is_hypermodel(build_model)
    assert is_hypermodel(Branching)
    assert is_hypermodel(Branching())
    assert not is_hypermodel(objective)
    assert not is_hypermodel(lambda hp=1: 0)


def test_a_class_that_wants_more_is_refused() -> None:
    class Wanting(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
        def __init__(self, depth: int) -> None:
            super().__init__()

    with pytest.raises(ConfigError, match=r"hypermodel Wanting cannot be made: .*'depth'"):
        objective(Wanting).describe("own", load_data(DIGITS))


class Picky(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
    """One that cannot be built on some branches; `fatal`: one of them is to end the search."""

    def __init__(self, refused: int, fatal: bool = False) -> None:
        super().__init__()
        self.refused, self.fatal = refused, fatal

    def build(self, hp: Any) -> Any:
        import keras

        depth = hp.Int("depth", 1, 3)
        if depth == 3:
            hp.Float("late", 0.0, 1.0)
        if depth == self.refused:
            raise keras_tuner.errors.FatalTypeError("end") if self.fatal else ValueError("too deep")
        hp.Choice("units", [4, 8])
        return keras.Sequential([keras.layers.Dense(1)])


def test_a_branch_that_cannot_be_built_is_given_up_with_what_it_had_asked_for() -> None:
    found = objective(Picky(refused=3)).describe("own", None)
    assert found.takes == frozenset({"depth", "units", "late"})
    assert found.defaults == {"depth": 1, "units": 4, "late": 0.0}


def test_a_model_that_cannot_be_built_with_its_defaults_has_no_space() -> None:
    with pytest.raises(ValueError, match="too deep"):
        objective(Picky(refused=1)).describe("own", None)


def test_a_fatal_error_ends_the_study_wherever_it_is_raised(tmp_path: Path) -> None:
    fatal = objective(Picky(refused=3, fatal=True))
    with pytest.raises(StudyError, match="FatalTypeError: end"):
        fatal.describe("own", None)
    with pytest.raises(StudyError, match="FatalTypeError: end"):
        fatal.train(TestFunction().handle(tmp_path, 0, 1, config={"depth": 3}))


def test_a_model_that_is_not_compiled_is_refused(tmp_path: Path) -> None:
    def build(hp: Any) -> Any:
        import keras

        return keras.Sequential([keras.layers.Dense(hp.Int("units", 1, 9))])

    with pytest.raises(TrialError, match="'build' returned a Keras model that is not compiled"):
        objective(build).dry_run(TestFunction().handle(tmp_path, 0, 1))
