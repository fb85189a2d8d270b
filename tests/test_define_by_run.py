"""An objective that asks for its hyperparameters as it runs, as Optuna's do, without a space."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from units import Reports, unit

import mlflow_hpo
from mlflow_hpo.algorithms import algorithm, propose_asked
from mlflow_hpo.errors import ConfigError, TrialError
from mlflow_hpo.objectives.function import FunctionObjective
from mlflow_hpo.objectives.unit import RunLocation
from mlflow_hpo.space import Asked, Float, asked_config, asked_space, dump_asked
from mlflow_hpo.trial import State, Trial

TRIAL_FORM = "objective(trial)"


def tune(objective: Any, **settings: Any) -> Any:
    return mlflow_hpo.tune(objective, progress=False, **{"workers": 1, **settings})


def branching(trial: Any) -> float:
    x = trial.suggest_float("x", -5, 5)
    if trial.suggest_categorical("kind", ["flat", "steep"]) == "steep":
        return float(abs(x - 2) ** trial.suggest_int("power", 2, 6, step=2))
    trial.set_user_attr("rate", trial.suggest_float("rate", 1e-4, 1e-1, log=True))
    return float(abs(x - 2))


def test_it_runs_as_it_stands_and_each_run_has_the_params_that_it_asked_for(store: str) -> None:
    study = tune(branching, max_trials=8)
    assert [t.state for t in study.trials] == [State.FINISHED] * 8
    assert study.trials[0].config["x"] == 0.0  # the baseline: the middle, and the first option
    assert study.trials[0].config["kind"] == "flat"
    kinds = {"flat": {"x", "kind", "rate"}, "steep": {"x", "kind", "power"}}
    assert {t.config["kind"] for t in study.trials} == {"flat", "steep"}
    for trial in study.trials:
        data = mlflow.get_run(trial.run_id).data
        assert set(trial.config) == kinds[str(trial.config["kind"])]
        assert {k: v for k, v in data.params.items() if k != "seed"} == {
            k: str(v) for k, v in trial.config.items()
        }
        rate = str(trial.config["rate"]) if "rate" in trial.config else None
        assert data.tags.get("user_attrs.rate") == rate
    again = tune(branching, resume="latest", max_trials=10)
    assert [t.config for t in again.trials[:8]] == [t.config for t in study.trials]
    assert all(set(t.config) == kinds[str(t.config["kind"])] for t in again.trials)


def pruning(trial: Any) -> float:
    import optuna

    x = trial.suggest_uniform("x", 0, 1)
    if x > 0.9:
        raise optuna.TrialPruned
    for step in range(6):
        trial.report(x + step, step * 10)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(x)


def test_pruned_trials_stop_and_the_others_have_the_value_that_they_return(store: str) -> None:
    pytest.importorskip("optuna", reason="an extra")
    study = tune(pruning, max_trials=8, scheduler="median", max_epochs=6, algorithm="random")
    for trial in study.trials:
        if trial.state is State.FINISHED:
            assert trial.epochs == 6
            assert trial.loss == trial.config["x"]
        elif trial.state is State.STOPPED:
            assert trial.loss == pytest.approx(trial.config["x"] + trial.epochs - 1)
    assert {t.state for t in study.trials} > {State.FINISHED}


def test_the_direction_is_that_of_create_study(store: str) -> None:
    study = tune(branching, max_trials=3, direction="maximize")
    assert study.best_value == max(-t.loss for t in study.trials if t.loss is not None)


def asked(**values: Any) -> str:
    known: Asked = {name: (value, Float(low=0.0, high=1.0)) for name, value in values.items()}
    return dump_asked(known)


def trial_that_asked(number: int, **values: Any) -> Trial:
    text = asked(**values)
    losses = {"loss": {1: float(number)}}
    return Trial(number, str(number), State.FINISHED, asked_config(text), losses, asked=text)


@pytest.mark.parametrize("name", ["tpe", "gp", "random", "anneal", "evolution"])
def test_what_is_proposed_follows_from_all_that_was_asked_for(name: str) -> None:
    trials = [trial_that_asked(n, a=n / 30, **({"b": n / 20} if n % 2 else {})) for n in range(12)]
    chosen = algorithm(name)
    config = propose_asked(chosen, trials, 12, 0)
    assert config is not None
    assert set(config) == {"a", "b"}
    assert all(0 <= float(value) <= 1 for value in config.values())
    assert propose_asked(chosen, list(reversed(trials)), 12, 0) == config
    assert propose_asked(chosen, trials, 13, 0) != config


def test_nothing_is_left_to_propose_where_nothing_is_asked_for() -> None:
    tpe = algorithm("tpe")
    assert propose_asked(tpe, [], 1, 0) == {}
    assert propose_asked(tpe, [Trial(0, "0", State.FINISHED, {}, {"loss": {1: 1.0}})], 1, 0) is None


def test_the_space_holds_all_that_any_trial_asked_for() -> None:
    def text(value: Any, plain: Any) -> str:
        from mlflow_hpo.space import asked_parameter

        return dump_asked({"a": (value, asked_parameter("a", plain))})

    ranges = [text(1, {"type": "int", "low": 1, "high": 3}), text(5, {"type": "int", "low": 2, "high": 9})]
    assert asked_space(ranges).parameters["a"].model_dump()["high"] == 9  # type: ignore[union-attr]
    assert asked_space(ranges).parameters["a"].model_dump()["low"] == 1  # type: ignore[union-attr]
    options = [text("x", ["x", "y"]), text("z", ["z"]), text("w", "w")]
    assert [o.value for o in asked_space(options).parameters["a"].options] == ["x", "y", "z", "w"]  # type: ignore[union-attr]


def asking(folder: Path, number: int = 1, **config: Any) -> Any:
    place = RunLocation("", "0", "", number)
    return unit(folder, epochs=1, config=config, asks=7, location=place)


def test_values_are_as_proposed_or_drawn_from_the_seed(tmp_path: Path) -> None:
    trial, twin = asking(tmp_path, a=0.25, b=99), asking(tmp_path, a=0.25)
    assert trial.suggest_float("a", 0, 1) == 0.25
    assert trial.suggest_int("b", 1, 9) == twin.suggest_int("b", 1, 9)  # 99 is outside
    assert trial.suggest_discrete_uniform("c", 0.0, 1.0, 0.25) in (0, 0.25, 0.5, 0.75, 1)
    assert 1e-3 <= trial.suggest_loguniform("d", 1e-3, 1) <= 1
    assert trial.suggest_int("e", 4, 4) == 4
    assert trial.suggest_categorical("f", [(1, 2)]) == (1, 2)
    assert trial.suggest_categorical("g", [max, min]) in (max, min)
    assert trial.suggest_float("a", 0, 1) == 0.25
    assert [*trial.params] == ["a", "b", "c", "d", "e", "f", "g"]
    assert trial.params["g"] in ("max", "min")
    assert trial.number == 1


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda t: t.suggest_float("a", 2, 1), "a: low must be below high"),
        (lambda t: t.suggest_float("a", 0, 1, log=True), "a: low must be above 0 on a log scale"),
        (lambda t: t.suggest_categorical("a", []), "a: a choice needs at least one option"),
        (lambda t: t.suggest_int("a|b", 1, 2), "'a|b' is no name"),
    ],
)
def test_what_cannot_be_fails_the_trial_with_a_line(
    tmp_path: Path, ask: Callable[[Any], Any], words: str
) -> None:
    with pytest.raises(TrialError, match="the objective asks for what cannot be") as caught:
        ask(asking(tmp_path))
    assert words in str(caught.value)


def test_a_space_that_is_given_answers_whatever_range_is_asked_for(tmp_path: Path) -> None:
    trial = unit(tmp_path, config={"a": 20, "k": "y"})
    assert trial.suggest_int("a", 1, 9) == 20
    assert trial.suggest_categorical("k", ["x", "y"]) == "y"
    assert trial.params == {"a": 20, "k": "y"}
    with pytest.raises(TrialError, match="asks for 'b', and the space that was given has a, k"):
        trial.suggest_float("b", 0, 1)


def test_more_steps_than_epochs_are_shown_and_the_returned_value_counts(tmp_path: Path) -> None:
    def objective(trial: Any) -> float:
        for step in range(5):
            assert not trial.report(10.0 - step, step) or step < 2
            assert not trial.should_prune()
        return 1.5

    reports = Reports()
    trial = unit(tmp_path, epochs=3, reports=reports, metric="loss")
    FunctionObjective(objective, TRIAL_FORM).train(trial)
    assert reports.metrics == [
        *((step + 1, {"loss": 10.0 - step}) for step in range(5)),
        (5, {"loss": 1.5}),
    ]
    assert trial.reached == 3
    assert trial.progress.value("loss", 3) == 1.5
    assert not trial.ended_itself


def test_an_objective_that_reports_nothing_has_trained_no_ten_epochs(tmp_path: Path) -> None:
    trial = unit(tmp_path, epochs=10, metric="loss")
    FunctionObjective(lambda trial: trial.config.get("x", 2.0), TRIAL_FORM).train(trial)
    assert (trial.reached, trial.ended_itself, trial.reason) == (1, True, "")
    trial = unit(tmp_path, epochs=10, metric="loss")
    FunctionObjective(lambda trial: float(trial.epochs), TRIAL_FORM).train(trial)
    assert (trial.reached, trial.progress.value("loss", 10)) == (10, 10.0)


def test_a_trial_that_prunes_itself_unasked_is_stopped_with_its_last_value(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="an extra")

    def objective(trial: Any) -> float:
        trial.report(3.0, 0)
        trial.report(2.0, 1)
        raise optuna.TrialPruned

    trial = unit(tmp_path, epochs=5, metric="loss")
    FunctionObjective(objective, TRIAL_FORM).train(trial)
    assert trial.progress.stopped
    assert trial.reason == "pruned itself at step 1"
    assert trial.progress.value("loss", trial.reached) == 2.0

    def at_once(trial: Any) -> float:
        raise optuna.TrialPruned

    with pytest.raises(TrialError, match="before it reported a value"):
        FunctionObjective(at_once, TRIAL_FORM).train(unit(tmp_path, metric="loss"))


def test_a_grid_is_refused_before_anything_runs(store: str) -> None:
    with pytest.raises(ConfigError, match="give a space"):
        tune(branching, max_trials="all", algorithm="grid")


def test_what_there_is_none_of_here_is_said_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"trial\.study is not here: patience, target, timeout"):
        asking(tmp_path).study.stop()
