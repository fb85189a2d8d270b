"""Importance is told only where it can be."""

from dataclasses import replace

import numpy as np
from page_snapshot import config, finished, many, snapshot

from mlflow_hpo.report.importance import FEWEST, MOST, importance, table
from mlflow_hpo.report.plots import contours, parallel, slices
from mlflow_hpo.report.plots import importance as thresholds
from mlflow_hpo.report.snapshot import StudySnapshot


def study(count: int, noise: float = 0.0, seed: int = 1) -> StudySnapshot:
    """Only the learning rate matters; with noise alone, nothing does."""
    random = np.random.default_rng(seed)
    seen = []
    for number in range(count):
        own = config(random)
        value = float(random.normal()) if noise else -abs(np.log10(own["learning_rate"]) + 2.5)
        seen.append(finished(number, value, **own))
    return snapshot(seen)


def test_what_matters_comes_first_and_its_interval_is_above_0() -> None:
    found = importance(study(80))
    assert found.titles[0] == "learning_rate"
    assert found.lows[0] > 0.2
    assert found.fit > 0.3
    assert all(
        low <= mean <= high for low, mean, high in zip(found.lows, found.means, found.highs, strict=True)
    )


def test_with_few_trials_nothing_is_told() -> None:
    found = importance(study(FEWEST - 1))
    assert found.missing == f"too few trials to tell: {FEWEST - 1} have results, and it takes {FEWEST}"
    assert not found.titles
    assert thresholds.compute(study(3)).missing.startswith("Too few trials to tell")


def test_of_noise_nothing_is_told() -> None:
    assert importance(study(40, noise=1.0)).missing.startswith(
        "it cannot be told: random forests on 40 trials"
    )


def test_what_was_not_varied_is_left_out() -> None:
    seen = [finished(n, float(n), units=64, dropout=n / 50) for n in range(20)]
    space = "units: [64, 128]\ndropout: {type: float, low: 0.0, high: 0.5}"
    assert importance(snapshot(seen, space=space)).titles == ("dropout",)
    assert contours.compute(snapshot(seen, space=space)).missing == "Only one hyperparameter was varied."
    assert "was varied" in importance(snapshot(seen, space="units: [64, 128]")).missing


def test_of_many_options_only_those_that_were_taken_have_a_place() -> None:
    names = [f"o{i}" for i in range(10_000)]
    seen = [finished(n, n % 7 / 7, a=names[n % 7 * 1000], x=n / 50) for n in range(50)]
    study = snapshot(seen, space=f"a: [{', '.join(names)}]\nx: {{type: float, low: 0.0, high: 1.0}}")
    assert table(study).inputs.shape == (50, 7 + 1)
    assert importance(study).titles[0] == "a"
    drawn = contours.compute(study)
    assert drawn.x is not None
    assert drawn.x.values == tuple(names[i * 1000] for i in range(7))
    assert len(drawn.better[0]) == 7
    places, texts = zip(*parallel.compute(study).ticks[0], strict=True)
    assert texts == drawn.x.values
    assert places[:2] == (0.00005, 0.10005)
    assert slices.compute(study).slices[0].options == texts


def test_of_many_options_that_were_taken_some_are_named() -> None:
    names = [f"o{i}" for i in range(500)]
    seen = [finished(n, n / 500, a=names[n], x=n / 500) for n in range(500)]
    study = snapshot(seen, space=f"a: [{', '.join(names)}]\nx: {{type: float, low: 0.0, high: 1.0}}")
    assert len(parallel.compute(study).ticks[0]) == 30


def test_what_was_never_active_has_no_axis() -> None:
    seen = [finished(n, n / 9, optimizer="adam", units=64, learning_rate=0.01, dropout=0.1) for n in range(9)]
    assert "momentum (optimizer sgd)" not in parallel.compute(snapshot(seen)).axes


def test_it_is_the_same_each_time() -> None:
    assert importance(study(40)) == importance(study(40))


def test_a_value_that_diverged_changes_nothing_but_its_place() -> None:
    one = study(40)
    worst = min(one.scored, key=lambda s: s.value or 0.0)
    far = replace(worst, value=-1e30, trial=replace(worst.trial, results={"loss": {10: 1e30}}))
    other = snapshot([far if s is worst else s for s in one.views])
    assert importance(other) == importance(one)


def test_trials_that_were_stopped_early_come_after_those_that_were_not() -> None:
    seen = [finished(n, 0.5 + n / 1000, units=64) for n in range(12)]
    seen += [finished(n, 0.9, epochs=3, units=32) for n in range(12, 16)]
    found = table(snapshot(seen, scheduler="asha", max_epochs=10))
    places = dict(zip(found.numbers, found.places, strict=True))
    assert places[11] == 0
    assert min(places[n] for n in range(12, 16)) > max(places[n] for n in range(12))


def test_of_very_many_trials_a_part_is_looked_at() -> None:
    assert len(table(many(2000)).places) == MOST


def test_the_contours_are_lowest_where_the_best_trials_are() -> None:
    data = contours.compute(study(120))
    assert data.x is not None
    assert (data.x.title, data.x.log) == ("learning_rate", True)
    mean = np.mean(data.better, axis=0)
    assert 1e-3 < float(data.x.values[int(np.argmin(mean))]) < 1e-2
    assert np.min(data.better) >= 0
    assert np.max(data.better) <= 1
