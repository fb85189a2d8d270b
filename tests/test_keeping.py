"""`keep_models`: what is deleted, when, and that the best model is always there."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from conftest import changed, hpo
from drivers import begun, running_after, study_in, trials_in, wait_until
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import LoggedModel, Run

from mlflow_hpo.errors import GateError
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.metric import best
from mlflow_hpo.registry import RegistrationRequest, register, train_final
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.replay import replay
from mlflow_hpo.study.retention import to_drop
from mlflow_hpo.trial import Dropped, State, Trial

Start = Callable[..., Study]
EPOCHS = 9


def trial(
    number: int, loss: float, epochs: int = EPOCHS, state: State = State.FINISHED, **more: object
) -> Trial:
    return Trial(number, f"run{number}", state, {}, {"loss": {epochs: loss}}, model_uri="models:/m", **more)  # type: ignore[arg-type]


def test_those_behind_the_best_are_dropped_with_their_checkpoints() -> None:
    trials = [trial(0, 0.3), trial(1, 0.1), trial(2, 0.2), trial(3, 0.1)]
    assert to_drop(trials, 1) == dict.fromkeys((0, 2, 3), Dropped.ALL)
    assert to_drop(trials, 2) == dict.fromkeys((0, 2), Dropped.ALL)
    assert to_drop(trials, 4) == {}


def test_one_that_may_yet_be_promoted_keeps_its_checkpoint_and_counts_for_nothing() -> None:
    trials = [trial(0, 0.3), trial(1, 0.1, 3, State.PAUSED), trial(2, 0.4, 3, State.PAUSED)]
    assert to_drop(trials, 1) == {2: Dropped.MODELS}
    over = [trial(0, 0.3), trial(1, 0.1, 3, State.STOPPED), trial(2, 0.4, 3, State.STOPPED)]
    assert to_drop(over, 1, ended=True) == dict.fromkeys((0, 2), Dropped.ALL)


def test_while_copies_may_begin_every_trial_keeps_its_checkpoint() -> None:
    trials = [trial(0, 0.1), trial(1, 0.4), trial(2, 0.5, 3, State.FAILED), trial(3, 0.2, source=1)]
    assert to_drop(trials, 1, copies=True) == dict.fromkeys((1, 2, 3), Dropped.MODELS)
    after = [replace(t, dropped=Dropped.MODELS) if t.number else t for t in trials]
    assert to_drop(after, 1, ended=True) == dict.fromkeys((1, 2, 3), Dropped.ALL)


def test_what_was_dropped_is_not_dropped_again() -> None:
    trials = [trial(0, 0.1), trial(1, 0.2, dropped=Dropped.ALL), trial(2, 0.3, dropped=Dropped.MODELS)]
    assert to_drop(trials, 1) == {2: Dropped.ALL}


STATES = st.sampled_from([State.FINISHED, State.PAUSED, State.FAILED, State.RUNNING, State.KILLED])
TRIALS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1, 3, EPOCHS]), STATES), max_size=12)


@given(TRIALS, st.integers(1, 4), st.data())
def test_whatever_becomes_of_the_others_the_best_has_its_model(
    drawn: list[tuple[int, int, State]], keep: int, data: st.DataObject
) -> None:
    trials = [
        trial(n, float(loss), EPOCHS if state is State.FINISHED else epochs, state)
        for n, (loss, epochs, state) in enumerate(drawn)
    ]
    gone = to_drop(trials, keep)
    later = [  # what is not settled may fail, or come out worse
        t if t.state is State.FINISHED or data.draw(st.booleans()) else trial(t.number, 99.0, 1, State.FAILED)
        for t in trials
    ]
    for winner in (best(trials), best(later)):
        assert winner is None or winner.number not in gone


def models(connection: Connection, study: Study) -> list[LoggedModel]:
    return list(connection.client.search_logged_models([study.run.experiment_id]))


def files(study: Study) -> list[Path]:
    """Every file of a model or a checkpoint in the artifact store."""
    root = Path(study.run.connection.client.get_experiment(study.run.experiment_id).artifact_location)
    return [p for p in root.rglob("*") if p.is_file() and ("checkpoints" in p.parts or "models" in p.parts)]


@pytest.mark.slow
def test_only_the_best_models_are_left_and_every_run_stays(start: Start, connection: Connection) -> None:
    study = start({"max_trials": 4, "keep_models": "best", "max_epochs": 1})
    study.drive()
    winner = best(study.known)
    assert winner is not None
    assert [m.source_run_id for m in models(connection, study)] == [winner.run_id]
    assert {p.parts[-5] for p in files(study) if "checkpoints" in p.parts} == {winner.run_id}
    assert study.run.trials.load() == study.known
    assert len(study.known) == 4
    assert all("val_accuracy" in connection.client.get_run(t.run_id).data.metrics for t in study.known)


@pytest.mark.slow
def test_a_resume_after_the_end_trains_one_that_lost_its_checkpoint_from_its_beginning(
    start: Start, again: Start, connection: Connection
) -> None:
    options = {"scheduler": "asha", "max_epochs": 4, "eta": 2, "max_trials": 5, "keep_models": 1}
    study = start(options, "units: {type: int, low: 8, high: 40}")
    study.drive()
    assert len(models(connection, study)) == 1
    resting = [t for t in study.known if t.epochs < 4 and t.dropped is Dropped.ALL]
    assert resting
    more = again(study, max_trials=14)
    more.drive()
    promoted = [t for t in more.known[:5] if t.epochs > study.known[t.number].epochs]
    assert promoted  # by this seed
    for one in promoted:
        history = connection.client.get_metric_history(one.run_id, "val_accuracy")
        assert [m.step for m in history] == list(range(1, one.epochs + 1))
        before = study.known[one.number].losses
        assert {epoch: one.losses[epoch] for epoch in before} == pytest.approx(before, abs=0.02)
    assert {t.state for t in more.known} <= {State.FINISHED, State.STOPPED}
    winner = best(more.known)
    assert winner is not None
    assert [m.source_run_id for m in models(connection, more)] == [winner.run_id]


@pytest.mark.slow
def test_what_a_killed_driver_had_begun_to_delete_is_gone_after_a_resume(
    start: Start, again: Start, connection: Connection
) -> None:
    study = start({"max_trials": 2, "max_epochs": 1})
    study.drive()
    worst = max(study.known, key=lambda t: (t.loss, t.number))
    connection.write(worst.run_id, tags={keys.DROPPED: "all?"})
    more = again(study, keep_models="best")
    more.drive()
    assert more.trials[worst.number].dropped is Dropped.ALL
    assert connection.client.get_run(worst.run_id).data.tags[keys.DROPPED] == "all"
    assert len(models(connection, more)) == 1
    assert not [p for p in files(more) if worst.run_id in p.parts]


def extra_runs(connection: Connection, study: Study) -> dict[str, Run]:
    """The extra runs, by name."""
    mine = f"tags.`{keys.PARENT}` = '{study.run.run_id}'"
    runs = connection.runs([study.run.experiment_id], mine, "attributes.start_time ASC")
    return {str(r.info.run_name): r for r in runs if keys.NUMBER not in r.data.tags}


def registered(study: Study, executor: LocalExecutor, name: str, **gate: Any) -> list[str]:
    """Registers the study's best model; gives what was said."""
    said, force = list[str](), gate.pop("force", False)
    with suppress(GateError):
        request = RegistrationRequest(name, "champion", force)
        register(changed(study, **{"top_k": 2, **gate}), study.known, request, said.append)
    return said


SMALL = "units: [16, 24]\nlearning_rate: 0.01"
OPTIONS = {"max_trials": 2, "max_epochs": 1}


@pytest.mark.slow
def test_what_was_trained_again_is_deleted_unless_registered_and_trained_again_if_wanted(
    start: Start, connection: Connection, executor: LocalExecutor
) -> None:
    study = start({**OPTIONS, "keep_models": "best"}, SMALL)
    study.drive()
    kept = best(study.known)
    assert kept is not None
    registered(study, executor, "pruned")
    again = extra_runs(connection, study)
    assert set(again) == {"again-0000", "again-0001"}
    assert {r.data.tags[keys.DROPPED] for r in again.values()} == {"all"}
    version = connection.client.get_model_version_by_alias("pruned", "champion")
    assert {m.source_run_id for m in models(connection, study)} == {kept.run_id, version.run_id}
    assert {p.parts[-5] for p in files(study) if "checkpoints" in p.parts} == {kept.run_id}
    mlflow.set_tracking_uri(connection.uri)
    assert mlflow.pyfunc.load_model("models:/pruned@champion") is not None
    registered(study, executor, "pruned")  # it is refused: this very model
    assert {m.source_run_id for m in models(connection, study)} == {kept.run_id, version.run_id}

    mean, lucky = _means(study)
    connection.client.delete_registered_model("pruned")
    for run_id in {version.run_id, kept.run_id}:  # now no model is left
        trial = next(
            t for t in [*study.known, *study.run.extra_runs.retrained().values()] if t.run_id == run_id
        )
        study.run.trials.drop(trial, Dropped.ALL)
    study.trials[kept.number] = replace(kept, model_uri="", dropped=Dropped.ALL)
    said = registered(study, executor, "revived")
    assert said[0] == f"training trial {mean} again: its models were not kept"
    version = connection.client.get_model_version_by_alias("revived", "champion")
    assert version.tags[keys.NUMBER] == str(mean)
    assert {m.source_run_id for m in models(connection, study)} == {version.run_id}
    assert _means(study)[1] == pytest.approx(lucky, abs=0.02)  # with its seed it came to the same


def _means(study: Study) -> tuple[int, float]:
    """The trial with the best mean loss over its seeds, and that."""
    again = study.run.extra_runs.retrained()
    means = {t.number: ((t.loss or 0) + (again[t.number].loss or 0)) / 2 for t in study.known}
    number = min(means, key=lambda n: (means[n], n))
    return number, means[number]


@pytest.mark.slow
def test_of_final_trainings_the_newest_keeps_its_model_and_with_all_nothing_is_deleted(
    start: Start, connection: Connection, executor: LocalExecutor
) -> None:
    study = start(OPTIONS, SMALL)
    study.drive()
    finals = [train_final(study.dispatcher, trial).run_id for trial in study.known]
    trials = {t.run_id for t in study.known}
    registered(study, executor, "whole", top_k=1)
    assert {m.source_run_id for m in models(connection, study)} == trials | set(finals)
    registered(study, executor, "pruned_final", top_k=1, keep_models="best")
    assert {m.source_run_id for m in models(connection, study)} == trials | {finals[-1]}


@pytest.mark.slow
def test_a_replay_leaves_nothing_where_not_all_is_kept(
    start: Start, connection: Connection, executor: LocalExecutor
) -> None:
    study = start({"max_trials": 1, "max_epochs": 1, "keep_models": "best"}, SMALL)
    study.drive()
    before = set(files(study))
    found = replay(study.dispatcher, study.known[0])
    assert found.epochs == 1
    assert set(files(study)) == before
    assert [m.source_run_id for m in models(connection, study)] == [study.known[0].run_id]


@pytest.mark.slow
def test_after_kill_and_resume_there_is_one_model(tmp_path: Path, new_store: Callable[[Path], str]) -> None:
    uri = new_store(tmp_path)
    command = [sys.executable, "-m", "mlflow_hpo", "search", "--workers", "1", "--max-trials", "5"]
    options = ["--max-epochs", "60", "--keep-models", "best", "--seed", "4"]
    with begun([*command, *options], uri) as driver:
        wait_until(running_after(uri, 2))
        os.kill(driver.pid, signal.SIGKILL)
    connection = Connection(uri)
    winner = best(t for t in trials_in(uri))
    assert winner is not None
    assert winner.model_uri
    done = hpo(uri, "resume", "latest")
    assert done.returncode == 0, done.stderr
    winner = best(trials_in(uri))
    assert winner is not None
    found = connection.client.search_logged_models([study_in(uri).experiment_id])
    assert [m.source_run_id for m in found] == [winner.run_id]
    mlflow.set_tracking_uri(uri)
    assert mlflow.pyfunc.load_model(winner.model_uri) is not None
