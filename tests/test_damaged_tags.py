"""A tag that somebody has damaged is named with its run, and other studies are not affected."""

import json

import pytest
from conftest import hpo, one_line_error
from plans import make_plan

from mlflow_hpo import doctor
from mlflow_hpo.errors import DamagedError
from mlflow_hpo.store import Connection, StudyRun, keys
from mlflow_hpo.trial import Result, State

OF_A_STUDY = (keys.SETTINGS, keys.PLAN, keys.REGISTERED, keys.LOADS, keys.FINAL)
OF_A_TRIAL = (
    *(keys.NUMBER, keys.STATE, keys.CONFIG, keys.RESULTS, keys.SECONDS, keys.SOURCE, keys.ATTEMPTS),
    *(keys.BEST_EPOCH, keys.DROPPED, keys.CREATED, keys.ASKED),
)
OBJECT = '{"a": {"b": "c"}}'
DAMAGES = ("nonsense", "", "[1]", OBJECT, "-1", "[" * 5000)
HARMLESS = {
    (keys.SETTINGS, OBJECT),
    (keys.CONFIG, OBJECT),
    (keys.SECONDS, "-1"),
    (keys.BEST_EPOCH, ""),
    (keys.DROPPED, ""),
    (keys.ASKED, ""),
}


@pytest.fixture
def study(connection: Connection, experiment: str) -> StudyRun:
    return finished_study(connection, experiment)


def finished_study(connection: Connection, experiment: str) -> StudyRun:
    plan = make_plan({"max_trials": 2, "max_epochs": 1})
    run, info = StudyRun(connection, connection.client.create_run(experiment)), plan.info
    run.begin(info.settings.dump(), info.record(), info.params(), plan.space_text)
    for number in range(2):
        result = Result({info.metric.name: {1: 0.5}}, State.FINISHED, 1.0, 1.0, 1)
        run.trials.record(run.trials.create(number, {"units": 8}, 0), result)
    run.end(State.FINISHED, "")
    return run


def as_found(study: StudyRun) -> StudyRun:
    return StudyRun(study.connection, study.connection.client.get_run(study.run_id))


def set_tag(study: StudyRun, run_id: str, tag: str, text: str) -> None:
    study.connection.client.set_tag(run_id, tag, text)


@pytest.mark.parametrize("text", DAMAGES, ids=range(len(DAMAGES)))
def test_every_damaged_tag_is_named_in_one_line_with_its_run(study: StudyRun, text: str) -> None:
    runs: list[tuple[str, tuple[str, ...]]]
    runs = [(study.run_id, OF_A_STUDY), (study.trials.load()[1].run_id, OF_A_TRIAL)]
    for run_id, tags in runs:
        for tag in tags:
            set_tag(study, run_id, tag, text)
    lines = doctor.damage(as_found(study))
    for (run_id, tags), line in zip(runs, lines, strict=True):
        assert line.startswith(f"run {run_id}: tag mlflow_hpo.")
        assert "\n" not in line
        named = {tag for tag in tags if f"tag {tag} is damaged: " in line}
        assert named == {tag for tag in tags if (tag, text) not in HARMLESS}


@pytest.mark.parametrize("change", [{"metrics": None}, {"max_epochs": "many"}, {"at_best": 3}, {"data": [1]}])
def test_a_plan_that_lacks_something_or_holds_another_thing_is_named(
    study: StudyRun, change: dict[str, object]
) -> None:
    plan = {**study.plan, **change}
    set_tag(study, study.run_id, keys.PLAN, json.dumps({k: v for k, v in plan.items() if v is not None}))
    (line,) = doctor.damage(as_found(study))
    assert line.startswith(f"run {study.run_id}: tag {keys.PLAN} is damaged: ")
    assert next(iter(change)) in line


def test_settings_that_are_not_known_are_named_with_their_run(study: StudyRun) -> None:
    settings = {**study.settings, "eta": "none"}
    set_tag(study, study.run_id, keys.SETTINGS, json.dumps(settings))
    (line,) = doctor.damage(as_found(study))
    assert line.startswith(f"run {study.run_id}: tag {keys.SETTINGS} is damaged: eta: ")


def test_commands_say_it_in_one_line_and_the_rest_of_an_experiment_is_reported(
    study: StudyRun, uri: str
) -> None:
    finished_study(study.connection, study.experiment_id)
    run_id, trial = study.run_id, study.trials.load()[1].run_id
    set_tag(study, trial, keys.STATE, "lost")
    set_tag(study, trial, keys.NUMBER, "first")
    said = f"run {trial}: tag {keys.NUMBER} is damaged: 'first': ValueError: invalid literal"
    for command in (["report", run_id], ["resume", run_id], ["replay", f"{run_id}:0"]):
        assert one_line_error(hpo(uri, *command)).startswith(f"Error: {said}")
    experiment = study.connection.client.get_experiment(study.experiment_id)
    done = hpo(uri, "report", "--experiment", experiment.name, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2
    assert f"study {study.name} is left out: {said}" in done.stderr


def test_the_doctor_lists_all_that_is_damaged(study: StudyRun, uri: str) -> None:
    run_id, trials = study.run_id, [t.run_id for t in study.trials.load()]
    set_tag(study, run_id, keys.LOADS, "none")
    for trial in trials:
        set_tag(study, trial, keys.STATE, "lost")
    done = hpo(uri, "doctor")
    assert done.returncode == 1
    assert "BAD the tags of the studies are whole" in done.stdout
    for named, tag in ((run_id, keys.LOADS), *((trial, keys.STATE) for trial in trials)):
        assert f"run {named}: tag {tag} is damaged: " in done.stdout


@pytest.mark.parametrize("text", [*DAMAGES, '{"number": 1}'], ids=range(len(DAMAGES) + 1))
def test_a_claim_that_is_none_is_named(study: StudyRun, text: str) -> None:
    client, param = study.connection.client, f"{keys.CLAIM}7"
    client.log_param(study.run_id, param, text)
    (line,) = doctor.damage(as_found(study))
    assert line.startswith(f"run {study.run_id}: tag {param} is damaged: ")
    with pytest.raises(DamagedError, match=f"tag {param} is damaged"), study.driven(print, lambda: None):
        pass
    trial = study.trials.load()[0]
    extra = study.extra_runs.create(trial, 0, keys.REPLAYED, "again")
    client.set_tag(extra, keys.PROCESS, text)
    with pytest.raises(DamagedError, match=f"run {extra}: tag {keys.PROCESS} is damaged"):
        study.extra_runs.end_abandoned()
