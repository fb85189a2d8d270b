"""Points that are known to be good, and studies that learn from others."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import hpo, hpo_process, one_line_error
from plans import make_plan

from mlflow_hpo.algorithms import algorithm, observed_at, propose, warm_trials, watched
from mlflow_hpo.algorithms.counts import standing
from mlflow_hpo.errors import ConfigError, SpaceError
from mlflow_hpo.metric import Metric
from mlflow_hpo.schedulers.explore import explore
from mlflow_hpo.space import parse_given, parse_space
from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.trial import State, Trial

SPACE = parse_space("units: [8, 16]\ntool: [a, b: {rate: {type: float, low: 0, high: 1}}]", "space.yaml")
DEFAULTS = {"units": 8, "tool": "a", "rate": 0.25}
WRONG = {
    "units: 8": "given.yaml: expected a list of configs, each as `name: value`",
    "[]": "given.yaml: expected a list of configs",
    "- units: 8\n- units: 9": "given.yaml: config 2: units 9 is not in the space",
    "- unit: 8": "given.yaml: config 1: 'unit' is not in the space, which has rate, tool, units",
    "- rate: 0.1": "given.yaml: config 1: 'rate' is not active with the other values",
    "- {tool: b, rate: 3}": "given.yaml: config 1: rate 3 is not in the space",
    "- [": "given.yaml: not valid YAML",
    "- units: 2020-13-45": "given.yaml: config 1: units '2020-13-45' is not in the space",
    "- units: !!timestamp 2020-13-45": "given.yaml: not valid YAML: month must be in 1..12",
}


@pytest.mark.parametrize("text", WRONG, ids=str)
def test_a_given_config_outside_the_space_is_named(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_given(text, "given.yaml", SPACE, DEFAULTS)
    assert WRONG[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_given_config_is_filled_with_defaults() -> None:
    found = parse_given("- {tool: b}\n- {units: 16}", "given.yaml", SPACE, DEFAULTS)
    assert found == [{"units": 8, "tool": "b", "rate": 0.25}, {"units": 16, "tool": "a"}]


def test_what_has_no_default_in_the_space_is_its_middle_and_what_is_fixed_stays() -> None:
    space = parse_space("size: 3\nunits: [8, 16]\ntool: [a, b: {rate: {type: float, low: 0, high: 1}}]", "s")
    found = parse_given("- {tool: b}", "given.yaml", space, {"size": 9, "units": 99, "tool": "a"})
    assert found == [{"size": 3, "units": 8, "tool": "b", "rate": 0.5}]


def test_a_given_branch_of_the_built_in_model_needs_only_its_own_name() -> None:
    settings = {"max_trials": 2}
    first = "- {optimizer: sgd}\n- {}\n- {optimizer: sgd, momentum: 0.9}"
    given = make_plan(settings, start_text=first).first  # of which two are one, and one is the baseline
    assert [c["momentum"] for c in given] == [0.9]
    many = "\n".join(f"- {{units: {n}}}" for n in (32, 96, 160, 192))
    with pytest.raises(ConfigError, match=r"4 configs and the baseline are more than max-trials, 2: give 5"):
        make_plan(settings, start_text=many)


def test_more_given_configs_than_a_population_are_refused() -> None:
    """Whoever is not of it is a copy, and would never be tried as it was given."""
    settings = {"max_trials": 20, "scheduler": "pbt", "max_epochs": 10}
    four = "\n".join(f"- {{units: {n}}}" for n in (32, 96, 160, 192))
    assert len(make_plan(settings, start_text=four).first) == 4
    five = f"{four}\n- {{optimizer: sgd}}"
    with pytest.raises(ConfigError, match=r"5 configs and the baseline are more than the population of 5 "):
        make_plan(settings, start_text=five)


def test_a_study_that_goes_on_keeps_its_metric_and_its_epochs_and_may_end_earlier() -> None:
    record = replace(make_plan({}).info, metrics=(Metric("val_loss", maximize=False),), max_epochs=7)
    text = "[" + ", ".join(f"{{units: {units}}}" for units in (32, 96, 128)) + "]"
    later = make_plan({"max_trials": 2}, record=record, start_text=text)
    assert (later.info.metrics, later.info.max_epochs) == (record.metrics, 7)


def test_what_failed_in_an_earlier_study_is_left_out_and_named() -> None:
    """It may have failed for a reason that is mended; its losses from before count for nothing."""
    failed = [
        Trial(1, "", State.FAILED, {"units": 16, "tool": "a"}, {"loss": {3: 0.1}}),
        Trial(2, "", State.FAILED, {"units": 8, "tool": "a"}),
    ]
    sound = Trial(0, "", State.FINISHED, {"units": 8, "tool": "b", "rate": 0.5}, {"loss": {3: 0.5}})
    kept, notes = warm_trials([sound, *failed], SPACE, 5)
    assert [(t.number, t.losses) for t in kept] == [(-3, {3: 0.5})]
    assert notes == ["trial 1: it failed", "trial 2: it failed"]


def test_trials_that_do_not_fit_are_named() -> None:
    trials = [
        Trial(0, "", State.FINISHED, {"units": 8, "tool": "a"}, {"loss": {3: 0.5, 9: 0.4}}),
        Trial(1, "", State.FINISHED, {"units": 12, "tool": "a"}, {"loss": {3: 0.5}}),
        Trial(2, "", State.FINISHED, {"units": 8, "tool": "a"}, {"loss": {9: 0.5}}),
        Trial(3, "", State.FAILED, {"units": 8, "tool": "b", "rate": 2.0}),
    ]
    kept, notes = warm_trials(trials, SPACE, 5)
    assert [t.losses for t in kept] == [{3: 0.5}]
    assert observed_at(kept) == 3
    assert notes == [
        "trial 1: units 12 is not in the space",
        "trial 2: it has no loss at 5 epochs or before",
        "trial 3: rate 2.0 is not in the space",
    ]


LINE = parse_space("x: {type: float, low: 0, high: 1}\ny: {type: float, low: 0, high: 1}", "space.yaml")


def spread(count: int, epochs: int) -> list[Trial]:
    """Trials all over the square, the better the nearer x is to 0.8."""
    configs = [{"x": i * 0.618 % 1, "y": i * 0.755 % 1} for i in range(count)]
    return [
        Trial(i, "", State.FINISHED, c, {"loss": {epochs: (c["x"] - 0.8) ** 2}})
        for i, c in enumerate(configs)
    ]


@pytest.mark.parametrize("name", ["tpe", "gp", "evolution", "cmaes", "anneal"])
def test_an_earlier_study_tells_an_algorithm_where_to_search(name: str) -> None:
    kept, notes = warm_trials(spread(30, 9), LINE, 27, (9, 27))
    assert not notes
    found = [propose(algorithm(name), LINE, kept, 1, seed) or {} for seed in range(12)]
    near = sum(abs(c["x"] - 0.8) < 0.2 for c in found)
    blind = [propose(algorithm(name), LINE, [], 1, seed) or {} for seed in range(12)]
    assert near > sum(abs(c["x"] - 0.8) < 0.2 for c in blind)


@pytest.mark.parametrize("running", [0, 3])
def test_a_gaussian_process_is_blind_to_the_unit_of_the_loss(running: int) -> None:
    trials = spread(20, 9)
    trials = [replace(t, results={} if t.number >= 20 - running else t.results) for t in trials]
    larger = [replace(t, results={"loss": {e: 1024 * v for e, v in t.losses.items()}}) for t in trials]
    proposals = [propose(algorithm("gp"), LINE, history, 20, 0) for history in (trials, larger)]
    assert proposals[0] == pytest.approx(proposals[1], abs=1e-6)


def test_earlier_trials_keep_their_order_and_come_before_all_others() -> None:
    kept, _ = warm_trials(spread(5, 9), LINE, 9)
    assert [t.number for t in kept] == [-5, -4, -3, -2, -1]
    assert [t.config for t in kept] == [t.config for t in spread(5, 9)]


def test_runs_that_were_deleted_leave_no_number_to_be_mistaken() -> None:
    trials = [t for t in spread(9, 9) if t.number in (0, 1, 8)]
    kept, _ = warm_trials(trials, LINE, 9)
    assert [t.number for t in kept] == [-9, -8, -1]


def test_where_a_score_costs_a_training_only_shared_rungs_count() -> None:
    kept, notes = warm_trials(spread(3, 9), LINE, 27, (9, 27), only=(3, 27))
    assert not kept
    assert notes[0] == "trial 0: it has no loss at 27 epochs, nor at a rung"


def test_a_grid_is_tried_again_where_an_earlier_study_says_nothing() -> None:
    small = parse_space("x: [1, 2, 3]", "space.yaml")
    earlier = [Trial(i - 30, "", State.FINISHED, {"x": 1 + i % 3}, {"loss": {9: 0.1}}) for i in range(30)]
    own = [Trial(i, "", State.FINISHED, {"y": i}, {"loss": {9: 0.2, 27: 0.1}}) for i in range(10)]
    found = propose(algorithm("grid"), small, [*earlier, *own], 10, 0)
    assert found is not None
    assert found["x"] in (1, 2, 3)
    assert propose(algorithm("grid"), small, earlier, 0, 0) is None  # at 9 epochs all was tried


def test_an_earlier_trial_that_ended_by_itself_counts_at_the_rungs_beyond() -> None:
    early = Trial(0, "", State.FINISHED, {"x": 0.5, "y": 0.5}, {"loss": {6: 0.1}}, ended_itself=True)
    kept, _ = warm_trials([early], LINE, 27, (10, 27))
    assert kept[0].losses == {6: 0.1, 10: 0.1, 27: 0.1}


def test_a_longer_study_is_compared_where_the_earlier_one_ended() -> None:
    """Until enough of its own trials are at its end; they are known at both places, so nothing is mixed."""
    kept, _ = warm_trials(spread(20, 10), LINE, 27, (10, 27))
    assert watched(kept, (27,)) == (10,)
    assert watched(kept, (10, 27)) == ()
    assert watched([], (27,)) == ()
    enough = [replace(t, results={"loss": {**t.losses, 27: 0.1}}) for t in kept[:10]]
    assert watched([*kept, *enough], (27,)) == ()  # they can be compared at the end
    own = [
        Trial(i, "", State.FINISHED, {"x": i / 10, "y": 0.5}, {"loss": {10: 0.5, 27: 0.4}}) for i in range(10)
    ]
    assert observed_at([*kept, *own[:9]]) == 10
    assert observed_at([*kept, *own]) == 27
    counts = standing([*kept, *own])
    assert set(counts) == set(range(10))  # at 27 the earlier ones say nothing, they are not the worse


def test_exploring_changes_what_it_may_and_nothing_else() -> None:
    config = {"units": 8, "tool": "b", "rate": 0.5}
    changed = [explore(SPACE, config, ["rate"], number, 0) for number in range(30)]
    assert all(c["units"] == 8 and c["tool"] == "b" and c["rate"] != 0.5 for c in changed)
    assert {0.4, 0.6} <= {round(c["rate"], 9) for c in changed}
    assert explore(SPACE, config, ["rate"], 3, 0) == changed[3]


def test_exploring_stays_on_the_branch_that_is_taken() -> None:
    text = (
        "tool: [{a: {rate: {type: float, low: 0, high: 0.1}}}, {b: {rate: {type: float, low: 5, high: 9}}}]"
    )
    branches = parse_space(text, "space.yaml")
    changed = [explore(branches, {"tool": "b", "rate": 7.0}, ["tool", "rate"], n, 0) for n in range(30)]
    assert all(branches.fault(c) == "" and c["tool"] == "b" for c in changed)
    assert len({c["rate"] for c in changed}) > 3


def test_exploring_moves_by_one_on_a_grid_and_along_lists() -> None:
    grid = parse_space("drop: {type: float, low: 0.1, high: 0.7, step: 0.1}\nhidden: [[1], [2], [3]]", "s")
    config = {"drop": 0.3, "hidden": [2]}
    changed = [explore(grid, config, ["drop", "hidden"], number, 0) for number in range(60)]
    assert all(grid.fault(c) == "" for c in changed)
    near = [c["drop"] in (0.2, 0.4) for c in changed]
    assert sum(near) > 40
    assert {str(c["hidden"]) for c in changed} == {"[1]", "[2]", "[3]"}


@pytest.mark.slow
def test_given_configs_come_first_and_a_later_study_learns_from_an_earlier(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "given.yaml").write_text("- {units: 32, optimizer: sgd, momentum: 0.5}\n- {units: 96}\n")
    options = ["--max-epochs", "1", "--workers", "1", "--start-from", str(tmp_path / "given.yaml")]
    done = hpo_process(
        uri, "search", "--max-trials", "3", "--target", "0.05", *options
    )  # the baseline meets it
    assert done.returncode == 0, done.stderr
    assert len(find_study(Connection(uri), LATEST).trials.load()) == 1
    (tmp_path / "given.yaml").unlink()  # the study keeps its own
    more = hpo_process(uri, "resume", "latest", "--max-trials", "4", "--target", "1.5")
    assert more.returncode == 0, more.stderr
    first = find_study(Connection(uri), LATEST)
    trials = first.trials.load()
    assert [t.config["units"] for t in trials[1:3]] == [32, 96]
    assert trials[1].config["momentum"] == 0.5
    (tmp_path / "space.yaml").write_text("units: [64, 96]\n")
    warm = ["--warm-start", first.run_id, "--space", str(tmp_path / "space.yaml")]
    later = hpo(uri, "search", "--max-trials", "2", "--max-epochs", "1", "--workers", "1", *warm)
    assert later.returncode == 0, later.stderr
    assert f"warm start from {first.name}: 0 of 4 trials" in later.stdout
    assert "left out: trial 0: " in later.stdout
    assert len(find_study(Connection(uri), LATEST).trials.load()) == 2  # the two studies do not mix
    (tmp_path / "given.yaml").write_text("- {units: 64}\n")
    given = ["--start-from", str(tmp_path / "given.yaml")]
    refused = one_line_error(hpo(uri, "resume", "latest", *given))
    assert f"began with start_from None, not '{tmp_path}/given.yaml'" in refused
    assert "began with other configs than" in one_line_error(hpo(uri, "resume", first.run_id, *given))
    said = one_line_error(hpo(uri, "search", "--warm-start", first.run_id, "--metric", "val_loss"))
    assert f"warm-start: study {first.name} maximised val_accuracy, this one minimised val_loss" in said
