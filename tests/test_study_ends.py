"""How a study and a trial come to an end: nothing left to propose, patience, a target, a break."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import begun
from plans import make_plan

from mlflow_hpo.errors import ConfigError, StoreError, StudyError
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.earlier import earlier_trials
from mlflow_hpo.trial import State, Trial

Start = Callable[..., Study]
SPACE = "x: {type: float, low: 0, high: 1}"
TRAINING = """
def objective(trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        if epoch > trial.config.get("until", 99):
            return
        if not trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch}):
            return
"""


@pytest.fixture
def training(tmp_path: Path) -> str:
    (tmp_path / "training.py").write_text(TRAINING)
    return f"{tmp_path}/training.py:objective"


@pytest.mark.parametrize("scheduler", ["halving", "hyperband", "asha", "median"])
def test_the_trials_of_a_grid_that_is_all_tried_still_go_up_the_rungs(
    start: Start, training: str, scheduler: str
) -> None:
    options = {"model": training, "algorithm": "grid", "scheduler": scheduler, "max_epochs": 9}
    study = start({**options, "max_trials": 100}, "x: [0.3, 0.2, 0.1, 0.4]")
    study.drive()
    assert sorted(t.config["x"] for t in study.known) == [0.1, 0.2, 0.3, 0.4]
    assert study.info.max_trials == 4  # the baseline is one of the grid
    best = min(study.known, key=lambda t: (t.loss, t.number))
    assert (best.config["x"], best.epochs) == (0.1, 9)  # which is not the baseline


def test_an_algorithm_that_has_no_more_ends_the_search_and_not_the_promotions(
    start: Start, training: str, tmp_path: Path
) -> None:
    (tmp_path / "brief.py").write_text(
        "from hyperopt.rand import suggest as drawn\n"
        "def suggest(new_ids, domain, trials, seed):\n"
        "    return drawn(new_ids, domain, trials, seed) if new_ids[0] < 4 else []\n"
    )
    options = {"model": training, "scheduler": "halving", "max_epochs": 9, "max_trials": 27}
    study = start({**options, "algorithm": f"{tmp_path}/brief.py:suggest"}, SPACE)
    study.drive()
    assert len(study.known) == 4
    assert sorted(t.epochs for t in study.known if t.number)[-1] == 9


def test_patience_ends_the_search_and_not_the_promotions(start: Start, training: str) -> None:
    options = {"model": training, "scheduler": "halving", "max_epochs": 9, "max_trials": 27, "patience": 3}
    study = start({**options, "algorithm": "tpe"}, "x: {type: float, low: 0.5, high: 1}")
    study.drive()
    assert 4 <= len(study.known) < 27
    best = min(study.known[1:], key=lambda t: t.losses[1])
    assert best.epochs == 9
    assert best.losses[1] < study.known[0].losses[1]  # so that it is no way of the baseline
    assert study.run.state == "finished: ended by its patience"


@pytest.mark.parametrize("until", [2, 3], ids=["between rungs", "at a rung"])
@pytest.mark.parametrize("scheduler", ["none", "halving", "asha"])
def test_training_that_stops_by_itself_is_over(
    start: Start, training: str, scheduler: str, until: int
) -> None:
    options = {"model": training, "scheduler": scheduler, "max_epochs": 9, "max_trials": 5}
    study = start(options, f"{SPACE}\nuntil: [{until}]")
    study.drive()
    assert all(t.state in (State.FINISHED, State.STOPPED) for t in study.known)
    ended = [t for t in study.known if t.epochs == until and t.ended_itself]
    assert ended
    assert all(t.reason == f"ended by itself at epoch {until} of 9" for t in ended)
    assert study.run.state == "finished"


@pytest.mark.parametrize("scheduler", ["halving", "asha"])
def test_training_that_does_not_listen_is_over_when_it_ends(
    start: Start, tmp_path: Path, scheduler: str
) -> None:
    (tmp_path / "deaf.py").write_text(
        "def objective(trial):\n"
        "    for epoch in range(1, 6):\n"
        "        trial.report(epoch, {'loss': trial.config['x'] / epoch})\n"
    )
    options = {"model": f"{tmp_path}/deaf.py:objective", "scheduler": scheduler, "max_epochs": 9}
    study = start({**options, "max_trials": 5}, SPACE)
    study.drive()
    assert [(t.state, t.epochs, t.ended_itself) for t in study.known] == [(State.FINISHED, 5, True)] * 5


def test_a_study_that_was_ended_between_rungs_goes_on_from_there(
    start: Start, again: Start, training: str
) -> None:
    options = {"model": training, "scheduler": "halving", "max_epochs": 9, "max_trials": 3, "target": 1.01}
    study = start({**options, "algorithm": "tpe"}, SPACE)
    study.drive()
    assert study.run.state.startswith("finished: ended by its target")
    met = [t for t in study.known if t.loss is not None and t.loss <= 1.01]
    assert [(t.number > 0, t.epochs) for t in met] == [(True, 2)]
    more = again(study, target=-1.0)
    more.drive()
    assert all(t.state in (State.FINISHED, State.STOPPED) for t in more.known)
    assert more.trials[met[0].number].epochs == 9
    assert more.trials[0].epochs == 9  # the baseline, without which a gain would mean little


def test_a_trial_whose_last_losses_were_recorded_and_not_its_end_is_over(
    start: Start, again: Start, training: str, connection: Connection
) -> None:
    """As a kill leaves it in a store that writes tags one by one."""
    options = {"model": training, "scheduler": "halving", "max_epochs": 4, "max_trials": 2}
    study = start(options, SPACE)
    study.drive()
    last = next(t for t in study.known if t.epochs == 4)
    connection.client.set_tag(last.run_id, keys.STATE, State.RUNNING.value)
    more = again(study)
    more.drive()
    assert [(t.state, t.losses) for t in more.known] == [(t.state, t.losses) for t in study.known]
    assert more.trials[last.number].state is State.FINISHED


def test_trials_of_a_longer_study_are_also_known_where_the_earlier_one_ended(
    connection: Connection, experiment: str, executor: LocalExecutor, training: str
) -> None:
    options = {"model": training, "max_trials": 2, "max_epochs": 4}
    plan = make_plan(options, SPACE, executor)
    earlier = [Trial(i - 12, "", State.FINISHED, {"x": i / 12}, {"loss": {3: i / 12}}) for i in range(12)]
    study = begun(connection, experiment, replace(plan, earlier=tuple(earlier)), executor)
    study.drive()
    for trial in study.known:
        assert trial.losses == pytest.approx({3: trial.config["x"] + 1 / 3, 4: trial.config["x"] + 1 / 4})


def test_a_trial_tells_its_loss_at_every_rung_that_it_passes(start: Start, training: str) -> None:
    """Also where its bracket begins higher: so all are compared at one rung."""
    options = {"model": training, "scheduler": "hyperband", "max_epochs": 9, "max_trials": 16}
    study = start(options, SPACE)
    study.drive()
    assert {tuple(t.losses) for t in study.known} == {(1,), (1, 3), (1, 3, 9)}
    assert len([t for t in study.known if t.epochs == 9]) >= 3


def test_promotions_go_on_when_a_study_whose_baseline_is_at_the_end_gets_more_trials(
    start: Start, again: Start, training: str
) -> None:
    options = {"model": training, "scheduler": "halving", "max_epochs": 9, "max_trials": 4, "seed": 1}
    study = start(options, SPACE)
    study.drive()
    assert study.trials[0].epochs == 9
    more = again(study, max_trials=18)
    more.drive()
    ranked = sorted(more.known, key=lambda t: t.losses[1])
    assert all(t.epochs >= 3 for t in ranked[:6])
    assert all(t.epochs == 9 for t in sorted(ranked[:6], key=lambda t: t.losses[3])[:2])


def test_a_whole_grid_can_be_asked_for_later(start: Start, again: Start, training: str) -> None:
    options = {"model": training, "algorithm": "grid", "max_epochs": 1, "max_trials": 2}
    study = start(options, "x: [0.1, 0.2, 0.3, 0.4, 0.5]")
    study.drive()
    more = again(study, max_trials="all")
    more.drive()
    assert sorted(t.config["x"] for t in more.known) == [0.1, 0.2, 0.3, 0.4, 0.5]
    with pytest.raises(ConfigError, match="max-trials: 'all' is for the algorithm grid, not for 'auto'"):
        again(start({"model": training}, SPACE), max_trials="all")


def test_a_mistake_that_not_every_trial_meets_costs_the_study_no_more_than_that_trial(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "silent.py").write_text(
        "def objective(config):\n    return None if config['x'] == 0.2 else config['x']\n"
    )
    options = {"model": f"{tmp_path}/silent.py:objective", "algorithm": "grid", "max_trials": 3}
    study = start(options, "x: [0.1, 0.2, 0.3]")
    study.drive()
    assert {t.config["x"]: t.state.value for t in study.known} == {
        0.1: "finished",
        0.2: "failed",
        0.3: "finished",
    }
    [lost] = [t for t in study.known if t.state is State.FAILED]
    assert lost.reason.startswith("the objective returned NoneType and reported nothing")


FOREIGN = """
import mlflow, requests
def objective(trial):
    mlflow.log_param("stop", 1)
    if trial.config["x"] == 0.2:
        raise requests.ConnectionError("HTTPConnectionPool: refused")
    if trial.config["x"] == 0.3:
        mlflow.log_param("stop", 2)
    return trial.config["x"]
"""


def test_what_the_users_own_calls_of_mlflow_and_of_servers_raise_fails_their_trial(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "foreign.py").write_text(FOREIGN)
    options = {"model": f"{tmp_path}/foreign.py:objective", "algorithm": "grid", "max_trials": 4}
    study = start(options, "x: [0.1, 0.2, 0.3, 0.4]")
    study.drive()
    reasons = {t.config["x"]: t.reason for t in study.known}
    assert (reasons[0.1], reasons[0.4]) == ("", "")
    assert reasons[0.2] == "ConnectionError: HTTPConnectionPool: refused"
    assert reasons[0.3].startswith("MlflowException: ")


REFUSING = """
import sqlite3
def objective(trial):
    with sqlite3.connect({file!r}) as store:
        store.execute("ALTER TABLE logged_models RENAME TO gone")
    try:
        trial.log_model("sklearn", object())
    finally:  # other tests share the store
        with sqlite3.connect({file!r}) as store:
            store.execute("ALTER TABLE gone RENAME TO logged_models")
"""


def test_a_store_that_refuses_what_a_function_hands_it_ends_the_study(
    start: Start, connection: Connection, tmp_path: Path
) -> None:
    file = connection.uri.removeprefix("sqlite:///")
    (tmp_path / "refusing.py").write_text(REFUSING.format(file=file))
    study = start({"model": f"{tmp_path}/refusing.py:objective", "max_trials": 3}, SPACE)
    with pytest.raises(StoreError, match=r"the tracking store refused: .*logged_models"):
        study.drive()
    assert [t.state for t in study.known] == [State.KILLED]


def test_a_full_disk_ends_the_study_and_not_one_trial_after_the_other(
    start: Start, again: Start, tmp_path: Path
) -> None:
    (tmp_path / "writing.py").write_text(
        "import errno, os\n"
        "def objective(config):\n"
        f"    if os.path.exists({str(tmp_path / 'full')!r}):\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    return config['x']\n"
    )
    study = start({"model": f"{tmp_path}/writing.py:objective", "max_trials": 4}, SPACE)
    (tmp_path / "full").touch()
    with pytest.raises(StoreError, match="No space left on device"):
        study.drive()
    assert [t.state for t in study.known] == [State.KILLED]
    (tmp_path / "full").unlink()
    more = again(study)
    more.drive()
    assert [t.state for t in more.known] == [State.FINISHED] * 4


def test_a_trial_that_ended_by_itself_as_its_store_failed_is_over(
    start: Start, again: Start, training: str, connection: Connection
) -> None:
    """The record was written, the run's status not: the driver then marks as cut what it thinks runs."""
    options = {"model": training, "scheduler": "halving", "max_epochs": 9, "max_trials": 3}
    study = start(options, f"{SPACE}\nuntil: [2]")
    study.drive()
    lost = next(t for t in study.known if t.ended_itself)
    connection.client.set_tag(lost.run_id, keys.STATE, State.KILLED.value)
    more = again(study)
    more.drive()
    assert [(t.state, t.losses) for t in more.known] == [(t.state, t.losses) for t in study.known]


def test_a_study_that_goes_on_takes_the_earlier_study_that_it_began_with(
    start: Start, connection: Connection, training: str
) -> None:
    """Its name, or `latest`, may mean another study by now."""
    earlier = start({"model": training}, SPACE)
    earlier.drive()
    info = start({"model": training}, SPACE).info
    named = replace(info, settings=info.settings.model_copy(update={"warm_start": "other"}))
    with pytest.raises(StudyError, match="no study 'other'"):
        earlier_trials(connection, named, earlier.space, print)
    known = replace(named, warm_start=earlier.run.run_id)
    run_id, trials = earlier_trials(connection, known, earlier.space, print)
    assert run_id == earlier.run.run_id
    assert len(trials) == len(earlier.known)
