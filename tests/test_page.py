"""The page is one file that needs nothing else, small, and safe whatever names say."""

import base64
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import hpo, hpo_process, one_line_error
from mlflow.artifacts import load_text
from page_snapshot import failed, finished, many, snapshot
from rich.console import Console

from mlflow_hpo.report.page import configs, duration, log_page, machines, page, tiles
from mlflow_hpo.report.plots import PLOTS
from mlflow_hpo.report.snapshot import StudySnapshot, read_snapshot
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.study import registering
from mlflow_hpo.study.driver import Study

MOST_BYTES = 5_000_000
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """What a page has: its elements' attributes, and the text of each script by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: dict[str, str] = {}
        self.words: list[str] = []
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attributes]
        self._script = dict(attributes).get("id") or "" if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.words.append(data.strip())
        else:
            self.scripts[self._script] = data

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


@pytest.fixture(scope="module")
def large() -> str:
    return page(many(1000))


def test_a_page_loads_nothing(large: str) -> None:
    found = Page(large)
    assert not {"link", "img", "iframe", "object", "base"} & set(found.tags)
    assert not [v for k, v in found.attributes if k in ("src", "srcset", "data", "action")]
    places = {f"#{v}" for k, v in found.attributes if k == "id"}
    assert {v for k, v in found.attributes if k == "href"} <= places
    assert "url(" not in large
    assert "@import" not in large


def test_a_page_of_1000_trials_is_small(large: str) -> None:
    assert len(large.encode()) < MOST_BYTES


def test_plotly_is_in_it_whole(large: str) -> None:
    script = gzip.decompress(base64.b64decode(Page(large).scripts["plotly"])).decode()
    assert "plotly.js v" in script[:200]


def test_every_place_has_its_figure_and_every_colour_is_in_the_style(large: str) -> None:
    found = Page(large)
    figures = json.loads(found.scripts["figures"])
    ids = {v for k, v in found.attributes if k == "id"}
    assert set(figures) <= ids
    assert {name.rsplit("-", 1)[0] for name in figures} == {plot.name for plot in PLOTS}
    named = set(re.findall(r"var\((--[a-z0-9-]+)\)", found.scripts["figures"]))
    light, dark = large.split("prefers-color-scheme: dark", 1)
    assert named
    assert all(f"{name}:" in light and f"{name}:" in dark for name in named)


def test_a_page_is_the_same_each_time() -> None:
    assert page(many(40, max_epochs=9)) == page(many(40, max_epochs=9))


@pytest.mark.parametrize(
    "study", [snapshot([]), snapshot([failed(n) for n in range(5)]), snapshot([finished(0, 0.5)])]
)
def test_a_study_without_results_has_a_page(study: StudySnapshot) -> None:
    found = Page(page(study))
    assert "What stands out" in found.text
    assert "Too few trials to tell" in found.text


def test_names_and_reasons_cannot_break_out() -> None:
    space = f"optimizer: [adam, {json.dumps(EVIL)}]"
    seen = [finished(0, 0.5, optimizer="adam"), finished(1, 0.9, optimizer=EVIL), failed(2, EVIL)]
    found = Page(page(snapshot(seen, space=space, name=EVIL)))
    assert found.tags.count("script") == 3
    assert "img" not in found.tags
    assert f"1 of 3 trials failed: {EVIL}." in found.text
    assert EVIL not in found.scripts["figures"]
    assert "<" not in found.scripts["figures"]
    assert "&lt;/script" in json.dumps(json.loads(found.scripts["figures"])), "plotly would read it as HTML"


def test_the_head_says_what_came_out() -> None:
    study = snapshot([finished(0, 0.5, units=64), finished(1, 0.75, units=128), failed(2)])
    assert dict(tiles(study)) == {
        "best val_accuracy": "0.7500", "baseline": "0.5000", "gain": "+0.2500", "trials": "3", "failed": "1",
        "epochs trained": "20", "took": "2.5 s",
    }  # fmt: skip
    assert configs(study) == [("units", "128", "64")]
    text = Page(page(study)).text
    assert 'mlflow.pyfunc.load_model("models:/m-1")' in text
    assert "mlflow models serve -m models:/NAME@champion" in text
    assert "mlp on digits" in text


def test_a_study_that_was_registered_says_so_and_loads_and_serves_that_version() -> None:
    study = snapshot([finished(0, 0.5), finished(1, 0.75)])
    taken = Registration("digits", "champion", 1, "nobody held it", "2", {"test_accuracy": 0.7})
    refused = Registration("digits", "champion", 1, "version 2 is this very model")
    text = Page(page(replace(study, registrations=(refused, taken)))).text
    assert "Trial 1 was registered as digits version 2 (test_accuracy 0.7000), which took the alias" in text
    assert "Trial 1 was not registered as digits@champion: version 2 is this very model." in text
    assert 'mlflow.pyfunc.load_model("models:/digits/2")' in text
    assert "mlflow models serve -m models:/digits/2 " in text
    assert "--register" not in text
    text = Page(page(replace(study, registrations=(refused,)))).text
    assert 'mlflow.pyfunc.load_model("models:/m-1")' in text
    assert "mlflow-hpo report 0123456789abcdef --register digits --force" in text


def test_each_machine_is_named_once() -> None:
    assert machines(snapshot([finished(n, 0.5) for n in range(3)])) == [
        "box: a CPU, 2 cores, 8.0 GB, python 3.11.7"
    ]
    assert machines(snapshot([])) == []


def test_durations_are_read_at_a_glance() -> None:
    assert [duration(s) for s in (0.52, 32.4, 125, 3600 * 3 + 1200)] == [
        "0.5 s",
        "32 s",
        "2 min 5 s",
        "3 h 20 min",
    ]


def test_a_study_reads_back_with_its_curves_and_units(start: Callable[..., Study]) -> None:
    study = start({"max_trials": 4, "max_epochs": 3, "scheduler": "asha"})
    study.drive()
    found = read_snapshot(study.run)
    assert found.trials == study.known
    for seen in found.views:
        assert [epoch for epoch, _ in seen.curve] == list(range(1, seen.trial.epochs + 1))
        assert seen.curve[-1][1] == pytest.approx(seen.value)
        assert seen.spans[-1].epochs == seen.trial.epochs
        assert sum(span.end - span.begin for span in seen.spans) == pytest.approx(
            seen.trial.seconds, abs=1e-6
        )
        assert 0 <= seen.spans[0].begin < seen.spans[-1].end <= found.seconds
        assert {"cpu_seconds", "peak_memory_mb"} <= set(seen.used)
        assert "python" in seen.machine


def test_a_failed_trial_has_its_time(start: Callable[..., Study]) -> None:
    study = start({"max_trials": 3, "max_epochs": 1}, "activation: [nonsense, absurd]")
    study.drive()
    found = read_snapshot(study.run)
    assert [s.number for s in found.failed] == [1, 2]
    for seen in found.failed:
        [span] = seen.spans
        assert (seen.value, span.epochs) == (None, 0)
        assert 0 < span.begin < span.end <= found.seconds
    assert "2 of 3 trials failed" in Page(page(found)).text


def test_the_page_is_an_artifact_and_a_later_one_takes_its_place(
    start: Callable[..., Study], connection: Connection
) -> None:
    study = start({"max_trials": 2, "max_epochs": 1})
    study.drive()
    log_page(study.run)
    log_page(study.run)
    assert keys.PAGE_FILE in [a.path for a in connection.client.list_artifacts(study.run.run_id)]


def test_a_page_that_cannot_be_drawn_is_one_line(
    start: Callable[..., Study], connection: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    study = start({"max_trials": 1, "max_epochs": 1})
    study.drive()
    folder = Path(connection.client.get_run(study.run.run_id).info.artifact_uri)
    (folder / keys.SPACE_FILE).unlink()
    registering.log_page(study.run, Console())
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("the page could not be drawn: StudyError: study ")


def test_a_study_that_ends_has_its_page_even_where_all_trials_failed(
    uri: str, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "bare.py").write_text(
        "def objective(trial):\n    trial.report(1, {'loss': 1 / max(0, trial.config['x'])})\n"
    )
    (tmp_path / "space.yaml").write_text("x: {type: float, low: -2, high: -1}")
    bare = ["--model", "bare.py:objective", "--metric", "loss", "--space", "space.yaml", "--workers", "0"]
    bare += ["--algorithm", "random"]
    done = hpo(uri, "search", *bare, "--max-trials", "5", MLFLOW_EXPERIMENT_NAME="failing")
    assert "the first 5 trials all failed" in one_line_error(done)
    assert "5 of 5 trials failed" in page_of(connection, "failing")
    (tmp_path / "space.yaml").write_text("x: [1, 2]")
    done = hpo(uri, "search", *bare, "--max-trials", "2", MLFLOW_EXPERIMENT_NAME="ending")
    assert done.returncode == 0, done.stderr
    assert "best: trial" in page_of(connection, "ending")


def test_the_page_is_there_before_a_registration_that_fails_and_again_after_a_final_training(
    uri: str, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "bare.py").write_text("def objective(trial):\n    trial.report(1, {'loss': 1.0})\n")
    (tmp_path / "space.yaml").write_text("x: [1, 2]")
    bare = ["--model", "bare.py:objective", "--metric", "loss", "--space", "space.yaml", "--register", "m"]
    short = ["--max-trials", "1", "--max-epochs", "1", "--workers", "1"]
    done = hpo(uri, "search", *short, *bare, MLFLOW_EXPERIMENT_NAME="bare")
    assert "trial 0, the best, logged no model" in one_line_error(done)
    assert "best: trial 0" in page_of(connection, "bare")
    done = hpo(uri, "search", *short, "--final", "true", MLFLOW_EXPERIMENT_NAME="whole")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("trained trial 0 on all rows: ")]
    assert f'load_model("{line.split(": ")[1]}")' in page_of(connection, "whole")


def page_of(connection: Connection, experiment: str) -> str:
    """The words of the page of an experiment's study."""
    found = connection.client.get_experiment_by_name(experiment)
    assert found is not None
    runs = connection.runs(
        [found.experiment_id], f"tags.`{keys.STUDY}` = '{keys.FORMAT}'", "attributes.start_time"
    )
    [run] = list(runs)
    return Page(load_text(f"{run.info.artifact_uri}/{keys.PAGE_FILE}")).text


def test_report_writes_a_page(uri: str, start: Callable[..., Study], tmp_path: Path) -> None:
    study = start({"max_trials": 2, "max_epochs": 1})
    study.drive()
    done = hpo_process(uri, "report", study.run.run_id, "--html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "page with plots: report.html"
    assert study.run.name in Page(Path("report.html").read_text()).text
    done = hpo(uri, "report", study.run.run_id, "--html", str(tmp_path / "other.html"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other.html").stat().st_size < MOST_BYTES
    line = one_line_error(hpo(uri, "report", study.run.run_id, "--html", "no/such/folder.html"))
    assert line == "Error: html: 'no/such/folder.html' cannot be written: there is no folder 'no/such'"
