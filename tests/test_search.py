"""Points that are known to be good, and studies that learn from others."""

from pathlib import Path

import pytest
from conftest import hpo, one_line_error

from mlflow_hpo.algorithms import observed_at, warm_trials
from mlflow_hpo.algorithms.explore import explore
from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space import parse_given, parse_space
from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.trial import State, Trial

SPACE = parse_space("units: [8, 16]\ntool: [a, b: {rate: {type: float, low: 0, high: 1}}]", "space.yaml")
DEFAULTS = {"units": 8, "tool": "a", "rate": 0.5}
WRONG = {
    "units: 8": "given.yaml: expected a list of configs, each as `name: value`",
    "[]": "given.yaml: expected a list of configs",
    "- units: 8\n- units: 9": "given.yaml: config 2: units 9 is not in the space",
    "- unit: 8": "given.yaml: config 1: 'unit' is not in the space, which has rate, tool, units",
    "- rate: 0.1": "given.yaml: config 1: 'rate' is not active with the other values",
    "- {tool: b, rate: 3}": "given.yaml: config 1: rate 3 is not in the space",
    "- [": "given.yaml: not valid YAML",
}


@pytest.mark.parametrize("text", WRONG, ids=str)
def test_a_given_config_outside_the_space_is_named(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_given(text, "given.yaml", SPACE, DEFAULTS)
    assert WRONG[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_given_config_is_filled_with_defaults() -> None:
    found = parse_given("- {tool: b}\n- {units: 16}", "given.yaml", SPACE, DEFAULTS)
    assert found == [{"units": 8, "tool": "b", "rate": 0.5}, {"units": 16, "tool": "a"}]


def test_trials_that_do_not_fit_are_named() -> None:
    trials = [
        Trial(-1, "", State.FINISHED, {"units": 8, "tool": "a"}, {3: 0.5, 9: 0.4}),
        Trial(-2, "", State.FINISHED, {"units": 12, "tool": "a"}, {3: 0.5}),
        Trial(-3, "", State.FINISHED, {"units": 8, "tool": "a"}, {9: 0.5}),
        Trial(-4, "", State.FAILED, {"units": 8, "tool": "b", "rate": 2.0}),
    ]
    kept, notes = warm_trials(trials, SPACE, 5)
    assert [t.losses for t in kept] == [{3: 0.5}]
    assert observed_at(kept) == 3
    assert notes == [
        "trial 1: units 12 is not in the space",
        "trial 2: it has no loss at 5 epochs or before",
        "trial 3: rate 2.0 is not in the space",
    ]


def test_exploring_changes_what_it_may_and_nothing_else() -> None:
    config = {"units": 8, "tool": "b", "rate": 0.5}
    changed = [explore(SPACE, config, ["rate"], number, 0) for number in range(30)]
    assert all(c["units"] == 8 and c["tool"] == "b" and c["rate"] != 0.5 for c in changed)
    assert {0.4, 0.6} <= {round(c["rate"], 9) for c in changed}
    assert explore(SPACE, config, ["rate"], 3, 0) == changed[3]


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
    done = hpo(uri, "search", "--max-trials", "2", *options)
    assert done.returncode == 0, done.stderr
    (tmp_path / "given.yaml").unlink()  # the study keeps its own
    more = hpo(uri, "resume", "latest", "--max-trials", "4")
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
    said = one_line_error(hpo(uri, "search", "--warm-start", first.run_id, "--metric", "val_loss"))
    assert f"warm-start: study {first.name} optimised val_accuracy, this one val_loss" in said
