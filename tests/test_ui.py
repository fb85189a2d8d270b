"""What a user sees in MLflow's UI, in a real browser on a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from browser import chromium, opened, served, show_trials
from conftest import hpo

from mlflow_hpo.store import Connection

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium, or no playwright to drive it with"),
]
OPTIONS = ["--max-trials", "3", "--max-epochs", "2", "--register", "digits", "--top-k", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="module")
def store(folder: Path, new_store: Callable[[Path], str]) -> str:
    """A store with one study, whose best model is registered."""
    uri = new_store(folder)
    Connection(uri).client.create_experiment("seen", str(folder / "artifacts"))
    done = hpo(uri, "search", *OPTIONS, MLFLOW_EXPERIMENT_NAME="seen")
    assert done.returncode == 0, done.stderr
    return uri


@pytest.fixture(scope="module")
def study(store: str) -> mlflow.entities.Run:
    client = Connection(store).client
    version = client.get_model_version_by_alias("digits", "champion")
    return client.get_run(version.tags["mlflow_hpo.study_run"])


@pytest.fixture(scope="module")
def server(store: str, folder: Path) -> Iterator[str]:
    with served(store, folder) as address:
        yield address


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with opened() as found:
        yield found


@pytest.fixture
def of_run(page: Any, server: str, study: mlflow.entities.Run) -> Callable[[str], Any]:
    """Opens a tab of the study's own page."""

    def open_tab(tab: str) -> Any:
        page.goto(f"{server}/#/experiments/{study.info.experiment_id}/runs/{study.info.run_id}{tab}")
        page.get_by_text(str(study.info.run_name)).first.wait_for()
        return page

    return open_tab


def test_the_experiment_shows_the_study_its_trials_below_it_and_the_metric(
    page: Any, server: str, study: mlflow.entities.Run
) -> None:
    show_trials(page, server, study.info.experiment_id, "val_accuracy")
    page.get_by_text(str(study.info.run_name)).first.wait_for()
    for name in ("trial-0000", "trial-0001", "trial-0002"):
        page.get_by_text(name).first.wait_for()


def test_the_studys_page_describes_the_best_and_how_to_load_it(of_run: Callable[[str], Any]) -> None:
    page = of_run("")
    page.get_by_text("best: trial").first.wait_for()
    page.get_by_text("mlflow.pyfunc.load_model").first.wait_for()


def test_the_studys_page_draws_the_best_so_far(of_run: Callable[[str], Any]) -> None:
    page = of_run("/model-metrics")
    page.get_by_text("best_val_accuracy").first.wait_for()
    page.locator(".js-plotly-plot").first.wait_for()


def test_the_report_opens_as_an_artifact(of_run: Callable[[str], Any]) -> None:
    page = of_run("/artifacts/report.html")
    inside = page.frame_locator("iframe").first
    inside.get_by_text("What was searched").first.wait_for()
    inside.locator("#curves-0").scroll_into_view_if_needed()  # a plot is drawn when it comes into view
    inside.locator("#curves-0 svg.main-svg").first.wait_for()


def test_the_registered_model_shows_its_alias_and_the_way_back(
    page: Any, server: str, study: mlflow.entities.Run
) -> None:
    page.goto(f"{server}/#/models/digits/versions/1")
    page.get_by_text("champion").first.wait_for()
    page.get_by_text(f"of study {study.info.run_name} ({study.info.run_id})").first.wait_for()
    page.get_by_text("mlflow_hpo.study_run").first.wait_for()
    assert page.get_by_role("link", name="trial-000").first.is_visible()
