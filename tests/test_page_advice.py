"""The page says what a good engineer would say, and only where it is so."""

from dataclasses import replace
from typing import Any

import pytest
from page_snapshot import failed, finished, many, snapshot

from mlflow_hpo.report import advice
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView
from mlflow_hpo.store.history import UnitSpan
from mlflow_hpo.trial import State, Trial

RATE = "learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}"


def rates(*values: float, **options: Any) -> StudySnapshot:
    """A study whose trials get better with their number, of these learning rates."""
    return snapshot(
        [finished(n, 0.5 + n / 100, learning_rate=rate) for n, rate in enumerate(values)], RATE, **options
    )


def curve(number: int, *values: float, epochs: int | None = None) -> TrialView:
    """A trial with this learning curve."""
    seen = finished(number, values[-1], epochs or len(values), learning_rate=0.01)
    return replace(seen, curve=tuple(enumerate(values, 1)))


def test_of_nothing_nothing_is_said() -> None:
    assert advice.advice(snapshot([])) == []
    assert advice.advice(snapshot([finished(0, 0.9, curve=0)])) == []


def test_failures_come_with_their_commonest_reason() -> None:
    seen = [finished(0, 0.5), *(failed(n) for n in range(1, 28)), *(finished(n, 0.4) for n in range(28, 40))]
    assert advice.failures(snapshot(seen)) == "27 of 40 trials failed: loss became nan at epoch 1."
    seen[5] = failed(5, "out of memory")
    study = snapshot(seen)
    assert advice.failures(study) == "27 of 40 trials failed; 26 of them: loss became nan at epoch 1."
    assert advice.reason_counts(study) == [("loss became nan at epoch 1", 26), ("out of memory", 1)]
    assert advice.failures(snapshot([finished(0, 0.5)])) == ""


def test_the_best_at_the_edge_of_its_range() -> None:
    said = advice.edges(rates(*[0.001] * 7, 0.08, 0.09, 0.095, 0.098))
    assert said == (
        "The best value of learning_rate, 0.098, lies at the upper edge of its range (0.0001 to 0.1), and 4 "
        "of the best 5 lie near it: widen it."
    )
    assert "lower edge" in advice.edges(rates(*[0.01] * 7, 1.3e-4, 1.2e-4, 1.1e-4, 1e-4))


def test_the_best_alone_at_the_edge_may_be_luck() -> None:
    assert advice.edges(rates(*[0.001] * 10, 0.1)) == ""
    assert advice.edges(rates(*[0.1] * 5)) == "", "too few trials"


def test_a_whole_number_at_the_last_of_few_values_lies_at_the_edge() -> None:
    seen = [finished(n, 0.5 + n / 100, layers=1 if n < 7 else 3) for n in range(11)]
    said = advice.edges(snapshot(seen, "layers: {type: int, low: 1, high: 3}"))
    assert said.startswith(
        "The best value of layers, 3, lies at the upper edge of its range (1 to 3), and 4 of the best 5"
    )


def test_what_begins_at_0_cannot_be_widened_below() -> None:
    seen = [finished(n, 0.5 + n / 100, dropout=0.0) for n in range(11)]
    assert advice.edges(snapshot(seen, "dropout: {type: float, low: 0.0, high: 0.5}")) == ""


def test_the_top_five_within_noise() -> None:
    noisy = [curve(n, 0.5, 0.9, 0.85, 0.9, 0.86, 0.9, 0.86 + n / 1000) for n in range(5)]
    assert advice.top_noise(snapshot(noisy)).startswith(
        "The top five are within noise: they differ by 0.004, and"
    )
    calm = [curve(n, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9 + n / 10) for n in range(5)]
    assert advice.top_noise(snapshot(calm)) == ""
    assert advice.top_noise(snapshot(noisy[:4])) == ""


def test_a_trend_is_no_noise() -> None:
    assert advice.curve_noise([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx(0, abs=1e-12)
    assert advice.curve_noise([0.5, 0.6, 0.5, 0.6]) == pytest.approx(0.0816, abs=1e-3)
    assert advice.curve_noise([0.1, 0.2, 0.1]) is None


def test_no_trial_beats_the_baseline() -> None:
    assert advice.gain(snapshot([finished(0, 0.9), finished(1, 0.8)])).startswith(
        "No trial beats the baseline"
    )
    assert advice.gain(snapshot([finished(0, 0.5), finished(1, 0.9)])) == ""
    assert advice.gain(snapshot([finished(1, 0.5), finished(2, 0.9)])) == ""


def test_a_gain_within_noise() -> None:
    seen = [curve(n, 0.5, 0.9, 0.85, 0.9, 0.86, 0.9, 0.86 + n / 1000) for n in range(2)]
    assert advice.gain(snapshot(seen)).startswith("The gain over the baseline, 0.001, is within noise")


def test_the_best_was_still_learning() -> None:
    rising = curve(0, *(0.1 * n for n in range(1, 10)))
    said = advice.still_learning(snapshot([rising], max_epochs=9))
    assert said.startswith("Trial 0, the best, was still learning when it ended: its val_accuracy gained 0.3")
    assert advice.still_learning(snapshot([rising], max_epochs=27)) == "", "it was stopped, not ended"
    flat = curve(0, 0.1, 0.5, 0.8, 0.9, 0.91, 0.9, 0.91, 0.9, 0.91)
    assert advice.still_learning(snapshot([flat], max_epochs=9)) == ""


def test_luck_is_when_the_best_came() -> None:
    assert advice.luck(rates(*[0.01] * 12)).startswith("The best came late, trial 11 of 12")
    early = [finished(n, 0.9 if n == 2 else 0.5) for n in range(20)]
    assert advice.luck(snapshot(early)) == (
        "The best came early, trial 2, and 17 trials since then brought none better: more of the same "
        "will hardly help."
    )
    assert advice.luck(snapshot(early[:8])) == ""


def test_what_pruning_saved() -> None:
    seen = [finished(0, 0.9, 10), finished(1, 0.5, 1), finished(2, 0.5, 1)]
    assert advice.pruning(snapshot(seen, scheduler="asha")) == (
        "Pruning saved 60% of the epochs: 12 were trained, not 30; 2 of 3 trials were stopped early."
    )
    assert advice.pruning(snapshot(seen)) == ""


def work(*units: tuple[float, float], **options: Any) -> StudySnapshot:
    seen = [
        TrialView(
            Trial(n, "", State.FINISHED, {}, {"loss": {10: 0.0}}, end - begin),
            0.0,
            (UnitSpan(begin, end, 10),),
        )
        for n, (begin, end) in enumerate(units)
    ]
    return snapshot(seen, **options)


def test_idle_workers() -> None:
    waited = work((0, 10), (0, 10), (10, 20), (10, 12), (20, 30), workers=2)
    assert advice.idle_share(waited) == pytest.approx(1 - 42 / 60)
    assert advice.idle(waited).startswith("Workers were idle 30% of the time")
    assert advice.idle(work((0, 10), (0, 10), (10, 20), (10, 20), workers=2)) == ""


def test_the_time_between_two_drivers_is_not_idle() -> None:
    assert advice.idle_share(work((0, 10), (10, 20), (5000, 5010), workers=1)) == pytest.approx(0)


def test_with_few_units_idleness_is_not_told() -> None:
    assert advice.idle_share(work((0, 10), (0, 1), workers=2)) is None
    assert advice.idle_share(snapshot([])) is None


def test_of_very_many_trials_it_is_said_quickly() -> None:
    assert any("trials failed" in said for said in advice.advice(many(10_000)))
