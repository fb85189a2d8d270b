"""The gate: real studies on digits, and who holds the alias after each."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import begun, changed, hpo, one_line_error
from mlflow.artifacts import load_text
from mlflow.entities.model_registry import ModelVersion
from plans import make_plan

from mlflow_hpo.errors import GateError, StudyError
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.registry import RegistrationRequest, register, rollback
from mlflow_hpo.registry.gate import champion_of
from mlflow_hpo.store import Connection, StudyRun, find_study, keys
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.study.driver import Study

pytestmark = pytest.mark.slow
Start = Callable[..., Study]
WORSE = "learning_rate: 0.00001\nunits: [8, 16]\nlayers: 1\nactivation: relu\ndropout: 0.0"
GOOD = "learning_rate: 0.003\nunits: [64, 96]\nlayers: 1\nactivation: relu\ndropout: 0.0"


@dataclass
class Desk:
    """Registers studies, and keeps what was said."""

    name: str
    said: list[str] = field(default_factory=list)

    def register(self, study: Study, gate: dict[str, Any] | None = None, **way: bool) -> Registration | None:
        request = RegistrationRequest(self.name, "champion", **way)
        return register(changed(study, **(gate or {})), study.known, request, self.said.append)


@pytest.fixture
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.node.name)


@pytest.fixture
def good(start: Start) -> Study:
    return driven(start, GOOD, 6)


@pytest.fixture(scope="module")
def both(
    connection: Connection, executor: LocalExecutor, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, Study]:
    """A good study and a worse one, whose best are trained again once for all who register them."""

    def start(options: dict[str, Any], space: str) -> Study:
        return begun(connection, experiment, make_plan(options, space, executor), executor)

    folder = tmp_path_factory.mktemp("gate")
    experiment = connection.client.create_experiment(folder.name, str(folder / "artifacts"))
    return driven(start, GOOD, 6), worse(start)


def driven(start: Start, space: str, epochs: int, trials: int = 3) -> Study:
    study = start({"max_trials": trials, "max_epochs": epochs}, space)
    study.drive()
    return study


def worse(start: Start) -> Study:
    """A study all of whose trials, the baseline too, train for an epoch only."""
    return driven(start, WORSE, 1)


def versions(connection: Connection, name: str) -> list[str]:
    return sorted(str(v.version) for v in connection.client.search_model_versions(f"name = '{name}'"))


def held(connection: Connection, desk: Desk) -> ModelVersion:
    found = champion_of(connection, desk.name, "champion")
    assert found is not None
    return found


def test_a_worse_model_is_refused_a_better_one_takes_the_alias_and_gives_it_back(
    connection: Connection, desk: Desk, both: tuple[Study, Study]
) -> None:
    good, bad = both
    first = desk.register(bad)
    assert first is not None
    assert first.version == "1"
    assert "nobody held the alias" in first.why
    better = desk.register(good)
    assert better is not None
    assert better.version == str(held(connection, desk).version) == "2"
    with pytest.raises(
        GateError, match=r"version 2 keeps the alias champion.* is not surely better"
    ) as refused:
        desk.register(bad)
    assert refused.value.exit_status == 3
    assert versions(connection, desk.name) == ["1", "2"]
    assert str(held(connection, desk).version) == "2"
    assert rollback(connection, desk.name, "champion") == ("2", "1")
    assert str(held(connection, desk).version) == "1"
    with pytest.raises(StudyError, match=r"version 1 .* is the first known to hold the alias"):
        rollback(connection, desk.name, "champion")


def test_what_was_compared_is_written_on_the_version(
    connection: Connection, desk: Desk, both: tuple[Study, Study]
) -> None:
    good, bad = both
    desk.register(bad)
    desk.register(good, {"confidence": 0.9, "min_gain": 0.01})
    version = held(connection, desk)
    compared = json.loads(version.tags[keys.COMPARED])
    assert compared["with"] == "1"
    assert compared["measure"] == "accuracy"
    assert compared["rows"] == 360
    assert compared["confidence"] == 0.9
    assert compared["min_gain"] == 0.01
    assert 0.01 < compared["low"] <= compared["gain"] <= compared["high"]
    assert compared["gain"] == pytest.approx(compared["new"] - compared["old"])
    assert version.tags[keys.BEFORE + "champion"] == "1"
    assert json.loads(version.tags[keys.CLASSES]) == [str(n) for n in range(10)]
    assert keys.FORCED not in version.tags
    assert version.tags[keys.TEST_DIGEST] in str(version.description)
    assert "on the same 360 test rows" in str(version.description)


def test_force_moves_the_alias_and_is_recorded(
    connection: Connection, desk: Desk, both: tuple[Study, Study]
) -> None:
    good, bad = both
    desk.register(good)
    found = desk.register(bad, force=True)
    assert found
    assert found.why.startswith("it was forced, though it is not surely better than version 1")
    version = held(connection, desk)
    assert str(version.version) == "2"
    assert "is not surely better than version 1" in version.tags[keys.FORCED]
    assert "It was forced to take the alias" in str(version.description)


def test_the_best_are_trained_again_once_with_another_seed_and_scored_on_the_test_part(
    connection: Connection, desk: Desk, good: Study
) -> None:
    desk.register(good)
    again = good.run.extra_runs.retrained()
    assert sorted(again) == [0, 1, 2]
    runs = {n: connection.client.get_run(t.run_id) for n, t in again.items()}
    for number, run in runs.items():
        own = connection.client.get_run(good.known[number].run_id)
        assert run.data.params["seed"] != own.data.params["seed"]
        assert run.data.tags["mlflow.parentRunId"] == good.run.run_id
        assert again[number].epochs == good.known[number].epochs
        assert ("test_accuracy" in run.data.metrics) != ("test_accuracy" in own.data.metrics)
    assert len(good.run.trials.load()) == 3  # they are no trials
    means = {n: (again[n].loss + good.known[n].loss) / 2 for n in again}  # type: ignore[operator]
    assert held(connection, desk).tags[keys.NUMBER] == str(min(means, key=lambda n: (means[n], n)))
    with pytest.raises(GateError, match=r"version 1 is this very model"):
        desk.register(good)
    assert {n: t.run_id for n, t in good.run.extra_runs.retrained().items()} == {
        n: t.run_id for n, t in again.items()
    }


def test_with_one_candidate_nothing_is_trained_again(connection: Connection, desk: Desk, good: Study) -> None:
    found = desk.register(good, {"top_k": 1})
    assert found is not None
    assert not good.run.extra_runs.retrained()
    winner = min(good.known, key=lambda t: (t.loss, t.number))
    assert held(connection, desk).run_id == winner.run_id


def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    start: Start, connection: Connection, desk: Desk, good: Study
) -> None:
    desk.register(good)
    bad = worse(start)
    runs = connection.client.search_runs([bad.run.experiment_id])
    before = {r.info.run_id: (r.info.status, r.data) for r in runs}
    desk.said.clear()
    assert desk.register(bad, dry_run=True) is None
    assert desk.said[0].startswith("would train trials ")
    assert desk.said[-1].startswith("would not register trial ")
    runs = connection.client.search_runs([bad.run.experiment_id])
    assert {r.info.run_id: r.info.status for r in runs} == {k: v[0] for k, v in before.items()}
    assert all(r.data.metrics == before[r.info.run_id][1].metrics for r in runs)
    assert versions(connection, desk.name) == ["1"]


def test_a_champion_with_another_signature_is_named_not_compared(
    start: Start, connection: Connection, desk: Desk, both: tuple[Study, Study], tmp_path: Path
) -> None:
    import numpy as np

    x, y = np.random.default_rng(0).normal(size=(90, 4)).astype("float32"), np.arange(90) % 3
    np.savez(tmp_path / "other.npz", x=x, y=y)
    other = start({"data": str(tmp_path / "other.npz"), "max_trials": 2, "max_epochs": 1})
    other.drive()
    good, _ = both
    desk.register(other)
    with pytest.raises(GateError, match=r"version 1 serves other callers: its inputs are .*its classes are"):
        desk.register(good)
    desk.register(good, force=True)
    assert "serves other callers" in held(connection, desk).tags[keys.FORCED]


def page_of(study: StudyRun) -> str:
    root = study.connection.client.get_run(study.run_id).info.artifact_uri
    return str(load_text(f"{root}/{keys.PAGE_FILE}"))


FUNCTION = """
import mlflow


class Zero(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [0]


def objective(trial):
    trial.report(trial.epochs, {"loss": trial.config["x"]})
    trial.log_model("pyfunc", Zero(), pip_requirements=["mlflow"])
"""


def test_the_commands_compare_models_without_data_by_the_values_of_their_searches(
    tmp_path: Path, new_store: Callable[[Path], str]
) -> None:
    uri = new_store(tmp_path)
    (tmp_path / "made.py").write_text(FUNCTION)
    (tmp_path / "low.yaml").write_text("x: [0.1, 0.2]")
    (tmp_path / "high.yaml").write_text("x: [0.5, 0.6]")
    common = ["--model", f"{tmp_path}/made.py:objective", "--metric", "loss", "--max-trials", "3"]
    common += ["--max-epochs", "1", "--workers", "1", "--register", "zero"]
    for space in ("high", "low"):
        done = hpo(uri, "search", *common, "--space", f"{tmp_path}/{space}.yaml")
        assert done.returncode == 0, done.stderr
    assert (
        "no test part to compare on; by the searches' own values, loss 0.1000 against 0.5000" in done.stdout
    )
    refused = hpo(uri, "search", *common, "--space", f"{tmp_path}/high.yaml")
    assert refused.returncode == 3
    assert "loss 0.5000 against 0.1000 of version 2, it is not better" in one_line_error(refused)
    study = find_study(Connection(uri), "latest")
    assert study.state == "finished"
    for text in (page_of(study), study.tags[keys.NOTE]):
        assert "rial 0 was not registered as zero@champion: there is no test part" in text
    done = hpo(uri, "report", "latest", "--register", "zero", "--min-gain", "-1", "--html", "later.html")
    assert "registered trial 0 as zero version 3" in done.stdout, done.stderr
    study = find_study(Connection(uri), "latest")
    for text in (page_of(study), Path("later.html").read_text(), study.tags[keys.NOTE]):
        assert "rial 0 was registered as zero version 3, which took the alias champion: " in text
        assert "not registered" not in text
    assert "models:/zero/3" in page_of(study)
    assert "from version 3 to version 2" in hpo(uri, "rollback", "zero").stdout
    done = hpo(uri, "search", *common, "--space", f"{tmp_path}/high.yaml", "--force")
    assert "registered trial 0 as zero version 4" in done.stdout, done.stderr
    assert "not better" in Connection(uri).client.get_model_version("zero", "4").tags[keys.FORCED]
    assert "no version with the alias 'other'" in one_line_error(
        hpo(uri, "rollback", "zero", "--alias", "other")
    )
