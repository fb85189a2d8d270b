"""Each plot's data, on no, one, failed and 10,000 trials, and for what each is there to show."""

import json
import string
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_snapshot import failed, finished, many, snapshot

from mlflow_hpo.metric import Metric
from mlflow_hpo.report.page import script_json
from mlflow_hpo.report.plots import (
    PLOTS,
    Plot,
    base,
    curves,
    hardware,
    history,
    parallel,
    slices,
    timeline,
)
from mlflow_hpo.report.snapshot import MOST_READ, TrialView, chosen
from mlflow_hpo.store.history import UnitSpan
from mlflow_hpo.trial import State, Trial

RATE: dict[str, Any] = {"learning_rate": 0.01}
STUDIES = {
    "no trial": snapshot([]),
    "one trial": snapshot([finished(0, 0.9, units=64, optimizer="adam", dropout=0.1, **RATE)]),
    "only failed ones": snapshot([failed(n) for n in range(3)]),
    "one that runs": snapshot([TrialView(Trial(0, "run0", State.RUNNING, {"units": 64}))]),
    "all the same": snapshot([finished(n, 0.5, units=64, **RATE) for n in range(20)]),
    "a baseline that has no place on the scales": snapshot(
        [finished(0, 0.9, units=None, learning_rate=0, dropout="auto"), finished(1, 0.8, units=64, **RATE)]
    ),
    "10,000 trials": many(10_000),
}
MOST_JSON = 150_000  # characters of one plot's figures


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("plot", PLOTS, ids=[p.name for p in PLOTS])
def test_every_plot_is_drawn_or_says_why_not(plot: Plot[Any], study: str) -> None:
    data = plot.compute(STUDIES[study])
    if data.missing:
        assert data.missing.endswith(".")
        assert study != "10,000 trials"
        return
    figures = [figure.to_plotly_json() for figure in plot.draw(data)]
    assert figures
    assert all(figure["data"] for figure in figures)
    assert len(script_json(figures)) < MOST_JSON
    json.loads(script_json(figures), parse_constant=pytest.fail)  # a NaN would break the whole page


@pytest.mark.parametrize("plot", PLOTS, ids=[p.name for p in PLOTS])
def test_every_axis_has_a_name(plot: Plot[Any]) -> None:
    for figure in plot.draw(plot.compute(many(150, max_epochs=9, scheduler="none"))):
        layout = figure.to_plotly_json()["layout"]
        named = [bool(layout[axis]["title"]["text"]) for axis in ("xaxis", "yaxis")]
        assert all(named) or plot.name in ("parallel", "importance")


def test_without_trials_every_plot_says_so() -> None:
    assert all(plot.compute(STUDIES["no trial"]).missing for plot in PLOTS)


def test_the_best_so_far_never_gets_worse() -> None:
    data = history.compute(snapshot([finished(0, 0.5), failed(1), finished(2, 0.8), finished(3, 0.6)]))
    assert data.steps == ((0, 0.5), (2, 0.8), (3, 0.8))
    assert data.failed == (1,)
    assert data.baseline == 0.5


def test_where_less_is_better_the_best_so_far_falls() -> None:
    seen = [finished(n, value) for n, value in enumerate((0.5, 0.8, 0.3))]
    turned = [TrialView(_with_loss(s.trial, s.value or 0.0), s.value, s.spans) for s in seen]
    assert history.compute(snapshot(turned, metric="val_loss")).steps == ((0, 0.5), (2, 0.3), (2, 0.3))


def _with_loss(trial: Trial, loss: float) -> Trial:
    return Trial(trial.number, trial.run_id, trial.state, trial.config, {"loss": {10: loss}}, trial.seconds)


def test_wall_time_orders_results_by_when_they_came() -> None:
    late, early = finished(0, 0.9), finished(1, 0.7)
    seen = [
        TrialView(late.trial, 0.9, (UnitSpan(0, 60, 10),)),
        TrialView(early.trial, 0.7, (UnitSpan(0, 5, 10),)),
    ]
    data = history.compute_wall_time(snapshot(seen))
    assert (data.seconds, data.values, data.numbers) == ((5, 60, 60), (0.7, 0.9, 0.9), (1, 0, 0))


def test_wall_time_counts_what_a_trial_had_at_each_rung() -> None:
    trial = Trial(0, "run0", State.FINISHED, {}, {"loss": {1: -0.4, 3: -0.6}})
    data = history.compute_wall_time(
        snapshot([TrialView(trial, 0.6, (UnitSpan(0, 2, 1), UnitSpan(7, 9, 3)))])
    )
    assert data.seconds == (2, 9, 9)
    assert data.values == (0.4, 0.6, 0.6)


def test_wall_time_shows_no_value_that_its_trial_lost_again() -> None:
    """Where the last epoch counts: the best of a rung is not what the study came to."""
    overfit = Trial(0, "run0", State.FINISHED, {}, {"loss": {1: -0.9, 3: -0.5}})
    steady = Trial(1, "run1", State.FINISHED, {}, {"loss": {1: -0.7}})
    spans = (UnitSpan(0, 2, 1), UnitSpan(7, 9, 3))
    seen = [TrialView(overfit, 0.5, spans), TrialView(steady, 0.7, (UnitSpan(2, 4, 1),))]
    data = history.compute_wall_time(snapshot(seen))
    assert (data.seconds, data.values, data.numbers) == ((2, 9, 9), (0.9, 0.7, 0.7), (0, 1, 1))


def test_curves_are_sorted_by_what_became_of_their_trials() -> None:
    seen = [finished(0, 0.5), finished(1, 0.9), finished(2, 0.6), finished(3, 0.4, epochs=3, curve=3)]
    data = curves.compute(snapshot(seen, scheduler="asha", max_epochs=10))
    assert (set(data.whole), set(data.stopped)) == ({2}, {3})
    assert data.best_number == 1
    assert data.baseline[-1][0] == 10
    assert data.rungs == (1, 3, 10)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    data = curves.compute(snapshot([finished(0, 0.9, 1000, 1000)], max_epochs=1000))
    assert len(data.best) <= curves.MOST_POINTS + 1
    assert (data.best[0][0], data.best[-1][0]) == (1, 1000)


def test_one_epoch_makes_no_curve() -> None:
    assert curves.compute(snapshot([finished(0, 0.9, 1, 1)], max_epochs=1)).missing.endswith(
        "there are no curves."
    )


def test_few_curves_are_read_of_many_and_the_page_says_so() -> None:
    study = many(1000)
    assert study.curves_read <= MOST_READ
    assert f"{study.curves_read} of 1,000 curves" in curves.compute(study).note


@given(st.integers(0, 60), st.integers(2, 40))
def test_the_trials_that_are_read_closely_are_the_best_the_first_and_a_sample(count: int, most: int) -> None:
    trials = [Trial(n, "", State.FINISHED, {}, {"loss": {1: float(n * 7919 % 101)}}) for n in range(count)]
    near = chosen(trials, most)
    assert len(near) == min(count, most)
    if count:
        assert {0, min(trials, key=lambda t: (t.losses[1], t.number)).number} <= near


def test_a_trial_that_failed_after_a_rung_is_read_closely_too() -> None:
    trials = [
        Trial(0, "", State.FINISHED, {}, {"loss": {1: 0.5, 3: 0.4}}),
        Trial(1, "", State.FAILED, {}, {"loss": {1: 0.6}}),
        Trial(2, "", State.FAILED, {}),
    ]
    assert chosen(trials) == {0, 1}


def test_a_hyperparameter_that_is_not_active_is_a_gap() -> None:
    one: dict[str, Any] = {"units": 64, "learning_rate": 0.01, "dropout": 0.0}
    seen = [
        finished(0, 0.5, optimizer="adam", **one),
        finished(1, 0.9, optimizer="sgd", momentum=0.99, **one),
    ]
    data = parallel.compute(snapshot(seen))
    assert data.axes[2] == "momentum (optimizer sgd)"
    assert {number: places[2] for number, _, places in data.lines} == {0: None, 1: 1.0}
    shown = {s.title: s for s in slices.compute(snapshot(seen)).slices}
    momentum = shown["momentum (optimizer sgd)"]
    assert [p[:2] for p in (*momentum.whole, *momentum.best)] == [(1, 0.99)]


def test_a_slice_is_logarithmic_where_the_space_is() -> None:
    data = slices.compute(STUDIES["one trial"])
    assert {s.title: s.log for s in data.slices} == {
        "units": False, "optimizer": False, "learning_rate": True, "dropout": False,
    }  # fmt: skip
    types = [f.to_plotly_json()["layout"]["xaxis"].get("type") for f in slices.draw(data)]
    assert [t == "log" for t in types] == [s.log for s in data.slices]


def test_a_baseline_outside_the_space_is_shown_in_its_slice() -> None:
    seen = [finished(0, 0.5, learning_rate=1.0), finished(1, 0.6, learning_rate=0.1)]
    [one] = slices.compute(snapshot(seen, space="learning_rate: {type: float, low: 1e-2, high: 0.1}")).slices
    assert one.whole == ((0, 1.0, 0.5),)


@pytest.mark.parametrize("rate", [None, "auto", True, 0])
def test_a_value_without_a_place_on_the_scale_is_not_in_its_slice(rate: Any) -> None:
    seen = [finished(0, 0.5, learning_rate=rate), finished(1, 0.6, learning_rate=0.1)]
    text = "learning_rate: {type: float, low: 1e-2, high: 0.1, log: true}"
    [one] = slices.compute(snapshot(seen, space=text)).slices
    assert [p[:2] for p in (*one.whole, *one.best)] == [(1, 0.1)]
    [figure] = slices.draw(slices.compute(snapshot(seen, space=text)))
    assert figure.to_plotly_json()["layout"]["xaxis"]["range"] == pytest.approx([-2.04, -0.96])


def test_units_that_overlap_are_in_lanes_of_their_own() -> None:
    spans = [(0, 4), (1, 2), (2, 3), (5, 6)]
    seen = [TrialView(finished(n, 0.5).trial, 0.5, (UnitSpan(*span, 10),)) for n, span in enumerate(spans)]
    data = timeline.compute(snapshot(seen))
    assert [b.lane for b in data.bars] == [0, 1, 1, 0]
    assert data.lanes == 2


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 30)), min_size=1, max_size=40))
def test_no_two_units_of_a_lane_overlap(units: list[tuple[float, float]]) -> None:
    seen = [
        TrialView(Trial(n, "", State.FAILED, {}), spans=(UnitSpan(begin, begin + length, 0),))
        for n, (begin, length) in enumerate(units)
    ]
    data = timeline.compute(snapshot(seen))
    for lane in range(data.lanes):
        bars = sorted((b for b in data.bars if b.lane == lane), key=lambda b: b.begin)
        assert all(a.end <= b.begin + timeline.SLACK for a, b in pairwise(bars))


def test_of_very_many_units_neighbours_are_one_bar() -> None:
    data = timeline.compute(STUDIES["10,000 trials"])
    assert len(data.bars) <= 4 * timeline.MOST
    assert sum(b.trials for b in data.bars) == 10_000


def test_time_and_memory_are_those_of_the_trial() -> None:
    data = hardware.compute(snapshot([finished(0, 0.5, epochs=3), failed(1)]))
    assert {m.title: m.points for m in data.quantities} == {
        "wall time (seconds)": ((0, 1.5),),
        "wall time of an epoch (seconds)": ((0, 0.5),),
        "CPU cores kept busy": ((0, 1.0),),
        "peak memory (MB)": ((0, 900.0),),
    }


def test_one_value_that_diverged_does_not_flatten_the_others() -> None:
    limits = base.clear_range([0.5, 0.6, 0.7, 0.8, 1e9], Metric("loss", False))
    assert limits is not None
    assert limits[0] < 0.5 < 0.8 < limits[1] < 1
    assert (
        base.beyond([0.5, 0.6, 0.7, 0.8, 1e9], limits)
        == "1 worse value lies outside the axis, as far as 1e+09."
    )
    assert base.clear_range([0.5, 0.6, 0.7, 0.8, 0.9], Metric("loss", False)) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=5), st.booleans())
def test_the_better_half_is_always_within_the_axis(values: list[float], maximize: bool) -> None:
    limits = base.clear_range(values, Metric("m", maximize))
    good = sorted(values, reverse=maximize)[: len(values) // 2]
    assert limits is None or all(limits[0] <= v <= limits[1] for v in good)
    assert ("worse value" in base.beyond(values, limits)) == (limits is not None)


def test_an_axis_that_just_takes_in_the_worst_value_is_no_cut() -> None:
    values = [0.0, 1.0, 1.0, 1.0, 5.99, 6.01]  # the limit is 6, and a margin reaches beyond it
    assert base.clear_range(values, Metric("loss", False)) is None


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_a_rounded_number_is_near_and_short(value: float) -> None:
    short = base.rounded(value)
    assert short == pytest.approx(value, rel=1e-4)


def test_what_is_not_finite_is_a_gap() -> None:
    assert base.rounds([1.0, float("nan"), float("inf"), None]) == [1, None, None, None]


def test_the_unit_of_time_fits() -> None:
    assert [base.time_unit(s)[1] for s in (0, 100, 1000, 20_000, 1e6)] == [
        "seconds", "seconds", "minutes", "hours", "days",
    ]  # fmt: skip


@given(st.text(alphabet=string.ascii_letters), st.integers(1, 40))
def test_a_long_word_keeps_its_ends(word: str, most: int) -> None:
    shown = base.short(word, most)
    assert len(shown) == min(len(word), most)
    before, _, after = shown.partition("…")
    assert word.startswith(before)
    assert word.endswith(after)
    assert (shown == word) == (len(word) <= most)


@pytest.mark.parametrize("plot", PLOTS, ids=[p.name for p in PLOTS])
def test_no_name_is_too_long_for_an_axis(plot: Plot[Any]) -> None:
    rate, choice = "a_learning_rate_whose_name_no_axis_has_room_for", "a_choice_whose_name_is_as_long_as_that"
    options = [f"{choice}_{i}" for i in range(3)]
    space = f"{rate}: {{type: float, low: 0.0, high: 1.0}}\n{choice}: {options}"
    configs: list[dict[str, Any]] = [{rate: i / 40, choice: options[i % 3]} for i in range(40)]
    seen = [finished(i, i / 40 + i % 3, **own) for i, own in enumerate(configs)]
    data = plot.compute(snapshot(seen, space))
    assert not data.missing
    for figure in plot.draw(data):
        layout = figure.to_plotly_json()["layout"]
        axes = [axis for name, axis in layout.items() if name.startswith(("xaxis", "yaxis"))]
        words = [
            word for a in axes for word in (a.get("title", {}).get("text") or "", *a.get("ticktext", ()))
        ]
        assert all(len(word) <= base.AXIS_LETTERS for word in words)
