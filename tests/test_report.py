"""Several studies in one ranking, filtered, sorted, and by two metrics at once; nothing is trained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import hpo, hpo_process, one_line_error
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Metric, fronts
from mlflow_hpo.report.plots.front import Point, compute
from mlflow_hpo.store import Connection
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import Result, State

Start = Callable[..., Study]
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=30)


def dominates(p: tuple[float, float], q: tuple[float, float]) -> bool:
    return p[0] <= q[0] and p[1] <= q[1] and p != q


@given(POINTS)
def test_fronts_are_those_of_the_definition(points: list[tuple[float, float]]) -> None:
    left, place, expected = set(range(len(points))), 1, dict[int, int]()
    while left:
        front = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        expected |= dict.fromkeys(front, place)
        left, place = left - front, place + 1
    assert fronts(points) == [expected[i] for i in range(len(points))]


def test_ten_thousand_points_have_their_fronts_at_once() -> None:
    points = [(float(i * 7919 % 10007), float(i * 104729 % 10007)) for i in range(10_000)]
    found = fronts(points)
    assert min(found) == 1
    first = [points[i] for i in range(10_000) if found[i] == 1]
    assert not any(dominates(p, q) for p in first for q in first)


def test_the_picture_has_the_front_from_left_to_right() -> None:
    data = compute("x", "y", [Point("a", 3, 1, 1), Point("b", 1, 3, 1), Point("c", 4, 4, 2)])
    assert [p.name for p in data.first] == ["b", "a"]
    assert [p.name for p in data.behind] == ["c"]
    assert compute("x", "y", []).first == ()


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("val_accuracy", Metric("val_accuracy", True)),
        ("val_loss", Metric("val_loss", False)),
        ("model_size_bytes", Metric("model_size_bytes", False)),
        ("inference_ms", Metric("inference_ms", False)),
        ("max:strange", Metric("strange", True)),
        ("min:val_accuracy", Metric("val_accuracy", False)),
        ("val_loss:fold", Metric("val_loss:fold", False)),
    ],
)
def test_a_metrics_direction_is_told_by_its_name_or_before_it(text: str, metric: Metric) -> None:
    assert Metric.parse(text) == metric


def test_a_metric_without_a_direction_is_named() -> None:
    with pytest.raises(ConfigError, match="'strange' does not say its direction: give max:strange or min:"):
        Metric.parse("strange")


@pytest.mark.parametrize("text", ["", "max:", "min:"])
def test_a_direction_without_a_metric_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=f"metric '{text}' has no name: give METRIC, max:METRIC or min:"):
        Metric.parse(text)


@pytest.fixture
def made(start: Start, connection: Connection) -> Callable[..., Study]:
    """A study with trials that nobody trained: (config, val_accuracy, size), or None for one that failed."""

    def make(rows: list[Any], **options: Any) -> Study:
        study = start(options)
        store = study.run.trials
        for number, row in enumerate(rows):
            config, value, size = row or ({}, 0.0, 0)
            trial = store.create(number, config, 0)
            if row is None:
                store.end(trial, State.FAILED, "boom")
                continue
            connection.write(trial.run_id, metrics={"val_accuracy": value, "model_size_bytes": size})
            result = Result({"val_accuracy": {2: value}}, State.FINISHED, 1, 1, 1, model_uri="m")
            store.record(trial, result)
        study.run.end(State.FINISHED, "")
        return study

    return make


@pytest.fixture
def two(made: Callable[..., Study]) -> tuple[Study, Study]:
    one = made(
        [({"units": 8, "optimizer": "adam"}, 0.5, 300), ({"units": 16, "optimizer": "sgd"}, 0.9, 500), None]
    )
    other = made(
        [({"units": 8, "optimizer": "adam"}, 0.7, 100), ({"units": 99, "optimizer": "adam"}, 0.8, 900)]
    )
    return one, other


def rows(uri: str, *arguments: str) -> list[dict[str, Any]]:
    done = hpo(uri, "report", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_studies_are_ranked_together(uri: str, two: tuple[Study, Study], connection: Connection) -> None:
    one, other = (study.run for study in two)
    experiment = connection.client.get_experiment(one.experiment_id).name
    found = rows(uri, one.run_id, other.run_id)
    assert found == rows(uri, "--experiment", experiment)
    assert found == rows(uri, one.run_id, "--experiment", experiment)  # each study once
    assert [(r["study"], r["trial"]) for r in found[:4]] == [
        (one.name, 1), (other.name, 1), (other.name, 0), (one.name, 0),
    ]  # fmt: skip
    assert found[1]["gain"] == pytest.approx(0.1)  # over the baseline of its own study
    assert found[4]["status"] == "failed: boom"
    assert found[4]["rank"] is None


def test_a_filter_is_mlflows(uri: str, two: tuple[Study, Study]) -> None:
    one = two[0].run.run_id
    found = rows(uri, one, "--where", "params.optimizer = 'sgd'")
    assert [(r["trial"], r["gain"]) for r in found] == [(1, pytest.approx(0.4))]
    assert rows(uri, one, "--where", "metrics.val_accuracy > 0.95") == []
    said = one_line_error(hpo(uri, "report", one, "--where", "optimizer is adam"))
    assert "where 'optimizer is adam': " in said
    shown = hpo(uri, "report", one, "--where", "metrics.val_accuracy > 0.95").stdout
    assert "no trial meets metrics.val_accuracy > 0.95" in shown


@pytest.mark.parametrize(
    ("where", "known"),
    [
        ("params.optimiser = 'adam'", "params.optimiser: known are optimizer, seed, units"),
        ("metrics.acc > 0.1", "metrics.acc: known are cpu_seconds, model_size_bytes, "),
    ],
)
def test_a_filter_by_what_no_trial_has_names_what_they_have(
    uri: str, two: tuple[Study, Study], where: str, known: str
) -> None:
    said = one_line_error(hpo(uri, "report", two[0].run.run_id, "--where", where))
    assert f"no trial has {known}" in said


def test_a_study_that_is_named_twice_is_ranked_once(uri: str, two: tuple[Study, Study]) -> None:
    one = two[0].run
    assert rows(uri, one.run_id, one.name, one.run_id) == rows(uri, one.run_id)


def test_any_metric_sorts(uri: str, two: tuple[Study, Study]) -> None:
    ids = [study.run.run_id for study in two]
    found = rows(uri, *ids, "--sort", "model_size_bytes")
    assert [r["model_size_bytes"] for r in found] == [100, 300, 500, 900, None]
    assert [r["rank"] for r in found] == [1, 2, 3, 4, None]
    said = one_line_error(hpo(uri, "report", *ids, "--sort", "min:nothing"))
    assert "no trial has a metric 'nothing': known are " in said


def test_two_metrics_rank_by_dominance(uri: str, two: tuple[Study, Study]) -> None:
    ids = [study.run.run_id for study in two]
    found = rows(uri, *ids, "--pareto", "val_accuracy", "model_size_bytes")
    assert [(r["front"], r["val_accuracy"], r["model_size_bytes"]) for r in found] == [
        (1, 0.9, 500), (1, 0.7, 100), (2, 0.8, 900), (2, 0.5, 300), (None, None, None),
    ]  # fmt: skip


def test_the_page_has_the_front_too(uri: str, two: tuple[Study, Study], tmp_path: Path) -> None:
    one, file = two[0].run, tmp_path / "page.html"
    pair = ["--pareto", "val_accuracy", "min:model_size_bytes"]
    done = hpo_process(uri, "report", one.run_id, *pair, "--html", str(file))
    assert done.returncode == 0, done.stderr
    html = file.read_text()
    assert "<h2>val_accuracy against model_size_bytes</h2>" in html
    figures = json.loads(html.split('id="figures">')[1].split("</script>")[0])
    behind, front = figures["front-0"]["data"]
    assert (behind["x"], front["x"], front["y"]) == ([], [0.5, 0.9], [300, 500])
    done = hpo(uri, "report", one.run_id, "--html", str(file))
    assert "val_accuracy against model_size_bytes" not in file.read_text()


def test_of_many_points_behind_a_part_is_drawn_but_the_whole_front() -> None:
    ahead = tuple(Point(str(i), i, -i, 1) for i in range(800))
    data = compute("x", "y", [*ahead, *(Point(str(i), i, i, 2) for i in range(9000))])
    assert data.first == ahead
    assert len(data.behind) == 600
    assert "1,400 of 9,800 trials are drawn." in data.note
    empty = compute("x", "y", [])
    assert empty.missing == "No trial has both x and y."


def test_studies_of_different_metrics_need_a_sort(
    uri: str, two: tuple[Study, Study], made: Callable[..., Study]
) -> None:
    other = made([({}, 0.4, 100)], metric="val_loss")
    ids = [two[0].run.run_id, other.run.run_id]
    said = one_line_error(hpo(uri, "report", *ids))
    assert "the studies optimise different metrics" in said
    assert len(rows(uri, *ids, "--sort", "val_accuracy")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sort", "loss", "--pareto", "loss", "accuracy"], "sort: --pareto ranks by two metrics"),
        (["--where", "params.a = '1'", "--register", "m"], "register: takes one whole study"),
        (
            ["--sort", "val_loss", "--html", "x.html"],
            "html: takes one whole study, by its own metric or with --pareto",
        ),
        (["a", "b", "--pareto", "val_loss", "accuracy", "--html", "x.html"], "html: takes one whole study"),
        (["--pareto", "loss", "max:loss"], "pareto: takes two metrics, not 'loss' twice"),
        (["--html", "latest"], "html: 'latest' is no name for an HTML page: give one that ends in .html"),
        (["--html", "a/b.html"], "html: 'a/b.html' cannot be written: there is no folder 'a'"),
        (["--force"], "force: is for registering: give --register NAME"),
        (["--dry-run"], "dry-run: is for registering: give --register NAME"),
        (["--min-gain", "0.1"], "min-gain: is for registering: give --register NAME"),
        (["--experiment", "nobody"], "no experiment 'nobody' in "),
    ],
)
def test_what_does_not_go_together_is_said(uri: str, arguments: list[str], message: str) -> None:
    assert message in one_line_error(hpo(uri, "report", *arguments))
