"""Who can write tags does not choose what a user's resume, replay or registration runs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import hpo, one_line_error
from plans import make_info

from mlflow_hpo.errors import StudyError
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import read_settings
from mlflow_hpo.store import Connection, StudyRun, find_study, keys
from mlflow_hpo.study.source import Given
from mlflow_hpo.study.trust import SHOWN, check_trusted, remember, runs_code

MODEL = "def objective(trial):\n    trial.report(1, {'loss': trial.config['x']})\n"
EVIL = "open('ran', 'w').close()\n" + MODEL
SETTINGS = ("--max-trials", "2", "--max-epochs", "1", "--metric", "loss", "--workers", "0")
BEGAN = "code that you have not run here"
CHANGED = "other code than when you last ran it here"


@pytest.fixture
def study(own_uri: str) -> StudyRun:
    """A study that this user began, in the working folder."""
    Path("space.yaml").write_text("x: [1, 2, 3]")
    Path("good.py").write_text(MODEL)
    Path("evil.py").write_text(EVIL)
    done = hpo(own_uri, "search", "--model", "good.py:objective", "--space", "space.yaml", *SETTINGS)
    assert done.returncode == 0, done.stderr
    return find_study(Connection(own_uri), "latest")


def write(run: StudyRun, key: str, **changes: Any) -> None:
    """What a colleague does to a study's tag."""
    client = run.connection.client
    value = json.loads(client.get_run(run.run_id).data.tags[key]) | changes
    client.set_tag(run.run_id, key, json.dumps(value))


def commands(run: StudyRun) -> Iterator[list[str]]:
    yield ["resume", run.run_id, "--max-trials", "3"]
    yield ["replay", f"{run.run_id}:0"]
    yield ["report", run.run_id, "--register", "name"]


@pytest.mark.parametrize(
    "changes", [{"model": "evil.py:objective"}, {"algorithm": "evil.py:objective"}, {"data": "evil.py:data"}]
)
def test_a_changed_tag_is_noticed_before_anything_runs(study: StudyRun, changes: dict[str, str]) -> None:
    write(study, keys.SETTINGS, **changes)
    write(study, keys.PLAN, **{k: v for k, v in changes.items() if k == "data"})
    for command in commands(study):
        said = one_line_error(hpo(study.connection.uri, *command))
        assert f"would run {CHANGED}" in said
        assert next(iter(changes.values())) in said
    named = ["--model", "good.py:objective", "--algorithm", "tpe", "--data", "good.py:data"]
    assert hpo(study.connection.uri, "resume", study.run_id, "--max-trials", "3", *named).returncode
    assert not Path("ran").exists()
    assert hpo(study.connection.uri, "report", study.run_id).returncode == 0, "it only reads"
    assert not Path("ran").exists()


def test_content_that_another_put_there_is_not_unpickled(study: StudyRun) -> None:
    write(study, keys.PLAN, code="0" * 64)
    for command in commands(study):
        assert f"would run {CHANGED}: model from Python, 0000" in one_line_error(
            hpo(study.connection.uri, *command)
        )


def test_what_the_user_ran_here_goes_on(study: StudyRun) -> None:
    done = hpo(study.connection.uri, "resume", "latest", "--max-trials", "3")
    assert done.returncode == 0, done.stderr
    assert len(study.trials.load()) == 3


def test_elsewhere_the_code_is_named_again_or_trusted_by_its_digest(
    study: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    monkeypatch.setattr("mlflow_hpo.study.trust._of_this_process", {})
    uri, command = study.connection.uri, ["resume", study.run_id, "--max-trials", "3"]
    said = one_line_error(hpo(uri, *command))
    owner = study.tags[keys.USER]
    assert (
        f"study {study.run_id} of {owner} would run {BEGAN}: model good.py:objective; name it again, " in said
    )
    digest = said.partition("--trust ")[2].split()[0]
    for wrong in (digest[:-1], digest[:-1] + "x", "0" * SHOWN):
        assert BEGAN in one_line_error(hpo(uri, *command, "--trust", wrong))
    assert one_line_error(hpo(uri, *command, "--model", "evil.py:objective"))
    done = hpo(uri, "replay", f"{study.run_id}:0", "--trust", digest)
    assert f"of {owner} runs model good.py:objective: trusted by its digest {digest}" in done.stdout
    done = hpo(uri, *command, "--model", "good.py:objective")
    assert done.returncode == 0, done.stderr
    done = hpo(uri, "resume", study.run_id, "--max-trials", "4")
    assert done.returncode == 0, "it has been run here by now"


def info_with(**plan: Any) -> StudyInfo:
    settings: dict[str, Any] = {
        k: plan.pop(k) for k in ("model", "data", "algorithm", "project") if k in plan
    }
    info = make_info({})
    return replace(info, settings=read_settings({**info.settings.dump(), **settings}), **plan)


@pytest.mark.parametrize(
    ("plan", "parts"),
    [
        ({}, {}),
        ({"code": "ab"}, {}),  # a built-in model has no use for it
        ({"model": "a.b:c"}, {"model": "a.b:c"}),
        ({"model": "given:f", "code": "ab"}, {"model": "from Python, ab"}),
        ({"data": "file.csv"}, {}),
        ({"data": "a.b:c", "data_content": "ab"}, {"data": "a.b:c"}),
        ({"data": "given:data", "data_content": "ab"}, {"data": "from Python, ab"}),
        ({"scorer": "ab"}, {"metric": "from Python, ab"}),
        ({"algorithm": "optuna:TPESampler"}, {}),
        ({"algorithm": "a.py:f"}, {"algorithm": "a.py:f"}),
    ],
)
def test_what_a_study_runs(plan: dict[str, Any], parts: dict[str, str]) -> None:
    assert runs_code(info_with(**plan)) == parts


def test_a_project_is_run_with_its_commit_and_its_parameters_but_no_password(study: StudyRun) -> None:
    project = {"uri": "https://me:s3cret@host/a", "parameters": {"x": "1"}}
    [text] = runs_code(info_with(project=project, commit="abc")).values()
    assert "https://***@host/a" in text
    assert '"x": "1"' in text
    assert "at commit abc" in text


def test_what_python_gives_again_is_what_runs(study: StudyRun) -> None:
    info = info_with(model="given:f", code="ab", scorer="cd", data="given:data", data_content="ef")
    both = Given(Path(), code="12", data="34", scorer="56")
    check_trusted(study, info, {}, both, "", pytest.fail)
    for one in (Given(Path(), code="12", data="34"), Given(Path(), data="34", scorer="56")):
        with pytest.raises(StudyError, match=r"from Python, (ab|cd); give it again from Python, or --trust"):
            check_trusted(study, info, {"model": "given:f", "metric": "m"}, one, "", pytest.fail)
    swapped = replace(info, settings=read_settings({**info.settings.dump(), "data": "evil.py:data"}))
    with pytest.raises(StudyError, match=r"data evil\.py:data"):
        check_trusted(study, swapped, {"data": "given:data"}, both, "", pytest.fail)


def test_an_id_of_a_run_is_no_way_out_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    remember("../../../outside", info_with(model="a.b:c"))
    [file] = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.parent == tmp_path / "home" / "mlflow-hpo" / "studies"


def test_where_nothing_can_be_written_the_process_remembers(
    study: StudyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    info = info_with(model="a.b:c")
    remember(study.run_id, info)
    check_trusted(study, info, {}, Given(Path()), "", pytest.fail)


def test_latest_is_ones_own_newest(study: StudyRun) -> None:
    uri, client = study.connection.uri, study.connection.client
    other = client.create_run("0", tags={keys.USER: "bob", keys.STUDY: keys.FORMAT}).info.run_id
    assert find_study(study.connection, "latest").run_id == study.run_id
    assert find_study(study.connection, "latest", any_user=True).run_id == other
    client.set_tag(study.run_id, keys.USER, "bob")
    said = one_line_error(hpo(uri, "report"))
    assert "but 2 of others: give a run id, or --any-user" in said
    client.delete_run(other)
    assert study.run_id in hpo(uri, "report", "--any-user").stdout
    assert hpo(uri, "replay", "latest:0", "--any-user").returncode == 0
    assert hpo(uri, "resume", "latest", "--any-user").returncode == 0
