from dataclasses import replace

from plans import make_info

from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.space import parse_space
from mlflow_hpo.store.registrations import Registration, with_registration
from mlflow_hpo.trial import State, Trial

SETTINGS = make_info({"max_trials": 3})
BASE = Trial(0, "r0", State.FINISHED, {"units": 64}, {"loss": {10: -0.9}}, model_uri="models:/m-0")
BEST = Trial(1, "r1", State.FINISHED, {"units": 32}, {"loss": {10: -0.95}}, model_uri="models:/m-1")
LOST = Trial(2, "r2", State.FAILED, {"units": 1})


def test_the_headline_names_the_best_and_its_gain() -> None:
    line = summary.headline(SETTINGS, [BASE, BEST, LOST])
    assert line == "best: trial 1, val_accuracy 0.9500 after 10 epochs; baseline 0.9000, gain +0.0500"


def test_the_headline_without_a_baseline_or_without_anything() -> None:
    assert "the baseline, trial 0, did not finish" in summary.headline(SETTINGS, [BEST])
    assert summary.headline(SETTINGS, [LOST]) == "no trial finished"


def test_the_description_says_how_to_load_the_best_model() -> None:
    text = summary.describe(SETTINGS, "study1", [BASE, BEST, LOST])
    assert 'mlflow.pyfunc.load_model("models:/m-1")' in text
    assert "3 of 3 trials have results, 1 failed." in text
    assert "| units | 32 |" in text
    assert "mlflow-hpo report study1 --register NAME" in text


def test_the_next_commands_are_exact() -> None:
    steps = dict(next_commands.next_commands(SETTINGS, "sqlite:////a b/m.db", "7", "study1"))
    assert steps["name the tracking store"] == "export MLFLOW_TRACKING_URI='sqlite:////a b/m.db'"
    assert steps["rank the trials"] == "mlflow-hpo report study1"
    assert steps["register the best model"] == "mlflow-hpo report study1 --register NAME"
    assert steps["serve it"].startswith("mlflow models serve -m models:/NAME@champion --env-manager local")
    assert "/#/experiments/7/runs/study1" in steps["see the study"]


def test_what_was_given_from_python_is_given_again_from_there() -> None:
    given = make_info({"max_trials": 3, "alias": "shadow"})
    given = replace(given, data_content="a digest")
    again = "mlflow_hpo.tune(model, space, data, resume='s'"
    steps = dict(next_commands.next_commands(given, "sqlite:///m.db", "7", "s"))
    assert steps["register the best model"] == f"{again}, register='NAME')"
    assert steps["rank the trials"] == "mlflow-hpo report s"
    assert next_commands.register_command(given, "s", "digits", "champion", force=True) == (
        f"{again}, register='digits', alias='champion', force=True)"
    )
    assert next_commands.resume_command(given, "s") == f"{again})"
    table = replace(given, settings=given.settings.model_copy(update={"target_column": "price"}))
    assert next_commands.resume_command(table, "s") == f"{again}, target_column='price')"
    assert next_commands.resume_command(SETTINGS, "s") == "mlflow-hpo resume s"


def test_a_description_without_a_model_does_not_say_how_to_load_it() -> None:
    text = summary.describe(SETTINGS, "study1", [BASE, replace(BEST, model_uri="")])
    assert "mlflow-hpo report study1" in text
    assert "load_model" not in text
    assert "--register" not in text


def test_with_a_server_the_study_is_seen_there() -> None:
    steps = dict(next_commands.next_commands(SETTINGS, "http://host:5000/", "7", "study1"))
    assert steps["see the study"] == "http://host:5000/#/experiments/7/runs/study1"


def test_a_model_that_is_registered_is_served_under_its_name() -> None:
    steps = dict(next_commands.next_commands(make_info({"register": "digits"}), "sqlite:///m.db", "7", "s"))
    assert "register the best model" not in steps
    assert "models:/digits@champion" in steps["serve it"]


NEW = Registration("digits", "champion", 1, "nobody held it", "2", {"test_accuracy": 0.5})
REFUSED = Registration("digits", "champion", 0, "it is not better")


def test_a_registered_version_is_served_itself_and_what_was_refused_can_be_forced() -> None:
    [serve] = next_commands.registry_commands(SETTINGS, "study1", NEW)
    assert serve == ("serve it", "mlflow models serve -m models:/digits/2 --env-manager local --port 5001")
    steps = dict(next_commands.registry_commands(SETTINGS, "study1", replace(REFUSED, alias="other")))
    command = "mlflow-hpo report study1 --register digits --alias other --force"
    assert steps["register it all the same"] == command
    assert "models:/digits@other" in steps["serve it"]


def test_the_description_says_how_registrations_came_out() -> None:
    text = summary.describe(SETTINGS, "study1", [BASE, BEST], [NEW, REFUSED])
    assert (
        "- trial 1 was registered as digits version 2 (test_accuracy 0.5000), which took the alias champion: "
        "nobody held it\n- trial 0 was not registered as digits@champion: it is not better\n"
    ) in text


def test_a_new_outcome_takes_the_place_of_the_one_before_but_a_refusal_not_of_a_version() -> None:
    assert with_registration([REFUSED], NEW) == [NEW]
    assert with_registration([NEW], REFUSED) == [REFUSED, NEW]
    again = replace(REFUSED, why="still not")
    assert with_registration([REFUSED, NEW], again) == [again, NEW]
    third = replace(NEW, version="3")
    assert with_registration([again, NEW], third) == [third]
    others = [replace(NEW, alias=alias) for alias in "abc"]
    assert with_registration(others, NEW) == [NEW, *others[:2]]


def test_the_plan_says_what_may_be_spent_and_what_that_saves() -> None:
    def line(name: str) -> str:
        info = make_info({"max_trials": 9, "max_epochs": 9, "scheduler": name})
        return summary.plan_line(info, info.plan)

    assert line("asha") == (
        "asha: rungs at epochs 1, 3, 9; about 21 epochs, 26% of the 81 that training every trial fully "
        "takes; 81 at most"
    )
    assert line("halving").startswith(
        "halving: rungs at epochs 1, 3, 9; 21 epochs, 26% of the 81 that training every trial fully takes; "
        "8 more at most to train the baseline to the end; brackets: 9 to epoch 1, 3 to epoch 3, 1 to epoch 9"
    )


def test_what_of_the_grid_is_tried_leaves_room_for_given_configs_beside_it() -> None:
    space = parse_space(
        "units: [32, 64]\nlearning_rate: {type: float, low: 1e-4, high: 1e-2, log: true}", "s"
    )
    info = replace(make_info({"algorithm": "grid", "grid_points": 3, "max_trials": 5}), max_trials=5)
    on, beside = {"units": 32, "learning_rate": 1e-2}, {"units": 32, "learning_rate": 5e-3}
    assert summary.plan_lines(info, space, [on], info.plan) == [
        "grid: 6 combinations, of which 4 are tried beside the baseline"
    ]
    assert "of which 3 are" in summary.grid_line(info, space, [on, beside])


def test_what_was_saved_counts_a_copys_epochs_from_where_it_began() -> None:
    trials = [
        Trial(0, "", State.FINISHED, {}, {"loss": {10: 0.1}}),
        Trial(1, "", State.FINISHED, {}, {"loss": {10: 0.1}}, start=4),
    ]
    assert summary.spent_line(SETTINGS, trials) == "16 epochs trained; 4 of 20 saved (20%)"


def test_what_failed_or_was_cut_saved_nothing() -> None:
    cut = Trial(3, "r3", State.KILLED, {"units": 2}, {"loss": {2: -0.5}})
    assert summary.epochs_spent(SETTINGS, [BASE, BEST, LOST, cut]) == (22, 22)
