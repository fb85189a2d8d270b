"""A study of several metrics: its best is a front, of which one is preferred; constraints come before all."""

from pathlib import Path
from typing import Any

import pytest
from conftest import hpo, one_line_error
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import fbeta_score, make_scorer

from mlflow_hpo import tune
from mlflow_hpo.algorithms import algorithm, propose
from mlflow_hpo.errors import ConfigError, GateError, SetupError, StudyError
from mlflow_hpo.metric import Metric, front
from mlflow_hpo.report.page import page
from mlflow_hpo.report.plots.several import hypervolume, plots_of
from mlflow_hpo.report.snapshot import read_snapshot
from mlflow_hpo.report.winner import Preference, knee
from mlflow_hpo.space import parse_space
from mlflow_hpo.store import Connection
from mlflow_hpo.study.stopping import _since_front
from mlflow_hpo.trial import State, Trial

QUIET: dict[str, Any] = {"workers": 0, "progress": False, "algorithm": "random"}
YAML = "x: {type: float, low: 0, high: 1}"


def objective(trial: Any) -> None:
    """Of two losses one falls as the other grows; a third number comes with the first."""
    x = trial.config["x"]
    for epoch in range(trial.start + 1, trial.epochs + 1):
        again = trial.report(epoch, {"loss": x + 1 / epoch, "lag": (1 - x) ** 2, "size": 10 * x})
        if not again:
            return


def study_of(**how: Any) -> Any:
    given = {"metric": ["loss", "lag:minimize"], "max_trials": 8, **QUIET, **how}
    return tune(objective, {"x": [0.0, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0]}, **given)


def test_the_best_is_the_middle_of_the_front_unless_another_is_preferred(job_uri: str) -> None:
    study = study_of(algorithm="grid")
    assert len(front(study.trials)) == 8
    assert study.best_config == {"x": 0.5}, "nearest to the best of both, each scaled to the front"
    frame = study.trials_dataframe()
    assert list(frame["front"]) == [1] * 8
    assert list(frame["lag"]) == pytest.approx([(1 - x) ** 2 for x in frame["x"]])
    shown = hpo(job_uri, "report", study.run_id)
    assert shown.stdout.splitlines()[1].split()[:6] == ["rank", "front", "trial", "loss", "gain", "lag"]
    note = Connection(job_uri).client.get_run(study.run_id).data.tags["mlflow.note.content"]
    assert "of the 8 trials that no other beats in all metrics, in the middle" in note
    preferred = study_of(algorithm="grid", prefer="lag<=0.1, min:loss")
    assert preferred.best_config == {"x": 0.8}
    assert study_of(algorithm="grid", prefer="max:lag").best_config == {"x": 0.0}


def test_what_breaks_constraints_comes_last_and_is_no_part_of_the_front(job_uri: str) -> None:
    study = study_of(algorithm="grid", constraints="size <= 5, lag <= 0.9")
    assert {trial.config["x"] for trial in front(study.trials)} == {0.2, 0.3, 0.5}
    frame = study.trials_dataframe()
    assert frame["rank"].notna().sum() == 3
    assert set(frame["status"][3:]) == {"finished: breaks the constraints"}
    single = study_of(metric="lag:minimize", constraints=["size <= 5"], algorithm="grid")
    assert single.best_config == {"x": 0.5}, "without the constraint it would be 1.0"


def test_where_nothing_keeps_to_the_constraints_the_nearest_is_named_and_nothing_registered(
    job_uri: str,
) -> None:
    study = study_of(metric="loss", constraints="size >= 11", algorithm="grid")
    assert "no trial keeps to size >= 11; the nearest: trial " in repr(study)
    assert study.best_config == {"x": 1.0}
    with pytest.raises(StudyError, match="no trial keeps to size >= 11: nothing is registered"):
        study.register("none")


def test_a_scheduler_compares_by_front_and_crowding_and_a_resume_knows_all(job_uri: str) -> None:
    how: dict[str, Any] = {"scheduler": "halving", "max_epochs": 3, "eta": 3, "max_trials": 9}
    study = tune(objective, {"x": [0.1 * n for n in range(9)]}, metric="loss,lag:minimize", **QUIET, **how)
    whole = [trial for trial in study.trials if trial.epochs == 3]
    xs = sorted(trial.config["x"] for trial in whole)
    assert len(xs) == 3
    assert (xs[0], xs[-1]) == pytest.approx((0.0, 0.8)), "both ends of the front go on"
    again = tune(
        objective, {"x": [0.1 * n for n in range(9)]}, resume=study.run_id, workers=0, progress=False
    )
    assert [t.results for t in again.trials] == [t.results for t in study.trials]


def test_metrics_by_scorers_and_costs_are_measured_of_every_trial(job_uri: str) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    scorer = make_scorer(fbeta_score, beta=2)
    study = tune(
        RandomForestClassifier(n_estimators=3),
        {"max_depth": [1, 4]},
        (x, y),
        metric=["val_f1_macro", scorer, "model_size_bytes", "inference_ms"],
        constraints="val_average_precision >= 0.5",
        max_trials=2,
        top_k=1,
        **QUIET,
    )
    names = ["val_fbeta_score", "val_f1_macro", "model_size_bytes", "inference_ms"]
    for trial in study.trials:
        assert [*trial.results] == names
        assert all(len(losses) == 1 for losses in trial.results.values())
        assert trial.violations == {1: 0}
    first, second = (trial.results["model_size_bytes"][1] for trial in study.trials)
    assert first != second
    registered = study.register("forest")
    assert registered is not None
    assert registered.version == "1"
    again = study.register("forest", force=True)
    assert again is not None
    assert "is this very model" in again.why


def test_a_model_takes_the_alias_if_it_is_better_in_one_metric_and_worse_in_none(job_uri: str) -> None:
    x, y = load_breast_cancer(return_X_y=True)

    def register(**fixed: int) -> Any:
        metric = ["val_accuracy", "model_size_bytes"]
        forest = RandomForestClassifier(random_state=0, **fixed)
        return tune(forest, {}, (x, y), metric=metric, register="forest", **QUIET)

    register(n_estimators=40)
    register(n_estimators=30)
    versions = Connection(job_uri).client.search_model_versions("name='forest'")
    assert {str(version.version) for version in versions} == {"1", "2"}
    moved = next(version for version in versions if str(version.version) == "2")
    assert "is better in one metric and worse in none" in str(moved.description)
    with pytest.raises(GateError, match=r"model_size_bytes .* against") as refused:
        register(n_estimators=60)
    assert "is not better in one and worse in none" in str(refused.value)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"metric": "loss,,lag"}, "lacks a name"),
        ({"metric": "loss,loss"}, "'loss' stands twice"),
        ({"metric": "loss,lag"}, "'lag' does not say its direction"),
        ({"metric": "loss,lag:minimize", "direction": "minimize"}, "is for one metric: give each its own"),
        ({"metric": "loss,lag:minimize", "target": 0.1}, "target: 0.1 is for one metric"),
        ({"metric": "loss,lag:minimize", "scheduler": "median"}, "'median' compares one metric"),
        (
            {"metric": "loss,lag:minimize", "prefer": "min:size"},
            "'size' is none of the study's metrics: loss, lag",
        ),
        ({"metric": "loss,lag:minimize", "prefer": "small"}, "'small' is neither a bound"),
        ({"constraints": "size"}, "'size' is none: give METRIC <= NUMBER"),
        ({"metric": "loss,lag:minimize", "warm_start": "latest"}, "from an earlier study by one metric"),
    ],
)
def test_what_cannot_be_is_refused_before_any_trial(job_uri: str, how: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        study_of(**how)


@pytest.mark.parametrize("how", [{"metric": "loss,speed"}, {"metric": "loss", "constraints": "speed <= 3"}])
def test_a_metric_that_nobody_reports_ends_the_study_with_what_was(job_uri: str, how: dict[str, Any]) -> None:
    with pytest.raises(
        SetupError, match="'speed' was logged, which trials are judged by: lag, loss, size were"
    ):
        study_of(**{**how, "metric": how["metric"].replace("speed", "speed:minimize")})


def test_the_command_line_takes_them(job_uri: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def objective(trial):\n"
        "    x = trial.config['x']\n"
        "    trial.report(1, {'loss': x, 'lag': (1 - x) ** 2, 'size': 10 * x})\n"
    )
    (tmp_path / "space.yaml").write_text(YAML)
    own = ["search", f"--model={tmp_path}/own.py:objective", f"--space={tmp_path}/space.yaml", "--workers=0"]
    own += ["--max-trials=3", "--metric=loss,lag:minimize"]
    done = hpo(job_uri, *own, "--constraints=size<=9", "--prefer=min:lag")
    assert done.returncode == 0, done.stderr
    assert "preferred by min:lag" in done.stdout
    assert one_line_error(hpo(job_uri, *own, "--constraints=size=9")).startswith(
        "Error: constraints: 'size=9'"
    )


def test_what_optunas_objectives_return_is_taken_in_order(job_uri: str) -> None:
    def objective(trial: Any) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        return x, (1 - x) ** 2

    study = tune(objective, metric="near:minimize,far:maximize", max_trials=4, **QUIET)
    assert [trial.config["x"] for trial in study.front] == sorted(t.results["near"][1] for t in study.front)
    with pytest.raises(
        SetupError, match="returned 2 values, and the study's metric is loss: name one metric for"
    ):
        tune(objective, max_trials=2, **QUIET)


def test_values_are_returned_in_the_order_in_which_they_were_asked_for(job_uri: str) -> None:
    """A cost that comes first is no more the first metric: training does not report it."""
    study = tune(
        lambda config: (10 * config["x"], config["x"] - 1),
        {"x": [1, 2]},
        metric="model_parameters,loss",
        max_trials=2,
        **QUIET,
    )
    for trial in study.trials:
        x = trial.config["x"]
        assert trial.results == {"loss": {1: x - 1}, "model_parameters": {1: 10 * x}}


def test_a_trial_that_lacks_a_metric_where_it_counts_is_on_no_front(job_uri: str) -> None:
    whole = Trial(0, "", State.FINISHED, {}, {"loss": {1: 0.5}, "ms": {1: 2.0}})
    lacks = Trial(1, "", State.FINISHED, {}, {"loss": {1: 0.1}, "ms": {}})
    assert front([whole, lacks]) == [whole]


def test_patience_compares_what_stands_at_the_same_rung() -> None:
    whole = Trial(0, "", State.FINISHED, {}, {"loss": {1: 0.9, 9: 0.1}, "ms": {1: 2.0, 9: 1.0}})
    early = [Trial(n, "", State.STOPPED, {}, {"loss": {1: 0.8}, "ms": {1: 2.0 + n}}) for n in (1, 2, 3)]
    assert _since_front([whole], (1, 9)) == 0
    assert _since_front([whole, early[0]], (1, 9)) == 0, "it beats the first at epoch 1"
    assert _since_front([whole, *early], (1, 9)) == 2


def test_a_preference_that_names_no_metric_of_the_study_registers_nothing(job_uri: str) -> None:
    study = study_of(max_trials=2)
    line = one_line_error(hpo(job_uri, "report", study.run_id, "--register", "m", "--prefer", "min:lagg"))
    assert "'lagg' is none of the study's metrics: loss, lag" in line


def points(count: int, choose: Any) -> list[Trial]:
    space = parse_space(f"{YAML}\n{YAML.replace('x', 'y')}", "space.yaml")
    trials = list[Trial]()
    for number in range(count):
        config = propose(choose, space, trials, number, 1)
        assert config is not None
        x, y = config["x"], config["y"]
        results = {"one": {1: x + 3 * y}, "other": {1: (1 - x) + 3 * y}}
        broken = {1: max(0.0, 0.2 - x)}
        trials.append(Trial(number, "", State.FINISHED, config, results, violations=broken))
    return trials


def test_a_sampler_with_a_state_is_told_of_all_metrics_and_constraints() -> None:
    assert len(points(12, algorithm("optuna:NSGAII"))) == 12


@pytest.mark.parametrize("name", ["tpe", "gp", "anneal", "evolution", "nsga2", "cmaes", "optuna:TPE"])
def test_an_algorithm_finds_the_whole_front_and_what_is_feasible(name: str) -> None:
    """The front is y = 0, x from 0.2 on."""
    trials = points(60, algorithm(name))
    late = trials[30:]
    near = [t for t in late if t.config["y"] < 0.25]
    assert len(near) > 0.4 * len(late), "at random a quarter"
    xs = sorted(t.config["x"] for t in near)
    assert xs[-1] - xs[0] > 0.3, "no single point of it"


def test_the_preference_that_nothing_meets_takes_what_misses_least() -> None:
    trials = [
        Trial(n, "", State.FINISHED, {}, {"loss": {1: a}, "ms": {1: b}})
        for n, (a, b) in enumerate([(0.1, 9.0), (0.2, 5.0), (0.9, 1.0)])
    ]
    metrics = [Metric("loss", maximize=False), Metric("ms", maximize=False)]
    assert knee(trials).number == 1
    assert Preference.parse("loss<=0.05,min:ms", ["loss", "ms"]).among(trials, metrics).number == 0
    assert Preference.parse("ms<6,min:loss", ["loss", "ms"]).among(trials, metrics).number == 1


POINTS = st.lists(st.tuples(*[st.integers(0, 4).map(lambda n: n / 4)] * 3), max_size=6)


@given(POINTS)
def test_the_hypervolume_is_that_of_the_definition(points: list[tuple[float, float, float]]) -> None:
    """Of all cells of a grid, those that a point dominates."""
    cells = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
    held = [
        cell for cell in cells if any(all(4 * v <= n for v, n in zip(p, cell, strict=True)) for p in points)
    ]
    assert hypervolume(points) == pytest.approx(len(held) / len(cells))


def test_the_page_shows_the_front_and_how_it_grew(job_uri: str) -> None:
    study = study_of(algorithm="grid", constraints="size <= 9")
    snapshot = read_snapshot(study._run)
    first, volume = plots_of(snapshot)
    assert first.title == "lag against loss"
    assert len(first.compute(snapshot).first) == 7
    parts = volume.compute(snapshot).parts
    assert list(parts) == sorted(parts)
    assert parts[0] < parts[-1] < 1
    assert "Hypervolume over trials" in page(snapshot)
