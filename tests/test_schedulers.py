"""Each scheduler keeps the contract, and does what its paper says."""

from collections import Counter
from dataclasses import replace
from math import inf

import pytest
from scheduler_contract import SchedulerContract

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.schedulers import (
    Budget,
    Hyperband,
    MedianStopping,
    PopulationBasedTraining,
    scheduler,
    since_better,
)
from mlflow_hpo.trial import State, Trial, Unit


def worse_and_worse(number: int, epochs: int) -> float:
    return float(number)


class TestFullTraining(SchedulerContract):
    name = "none"

    def test_every_trial_is_trained_to_the_end_in_one_unit(self) -> None:
        assert self.play(1)[1] == [Unit(n, 0, 27) for n in range(20)]

    def test_a_trial_that_was_cut_after_a_unit_goes_on_from_its_checkpoint(self) -> None:
        cut = Trial(0, "", State.KILLED, {}, {"loss": {3: 0.5}})
        assert self.scheduler().next([cut]) == Unit(0, 3, 27, source=0)


class TestAsha(SchedulerContract):
    name = "asha"
    nine = Budget(9, 9, 1, 3)

    def test_the_papers_bracket_of_nine(self) -> None:
        """Li et al. 2020, figure 1: of n = 9, with R = 9 and eta = 3, 9, 3 and 1 are at 1, 3 and 9."""
        trials, ended = self.play(1, worse_and_worse, self.nine)
        assert Counter(u.stop for u in ended) == {1: 9, 3: 3, 9: 1}
        # The third trial makes the first promotable, the sixth the second, the ninth the third.
        assert [(u.trial, u.stop) for u in ended if u.stop > 1] == [(0, 3), (1, 3), (2, 3), (0, 9)]
        assert [u.trial for u in ended][:5] == [0, 1, 2, 0, 3]
        assert trials[0].losses == {1: 0.0, 3: 0.0, 9: 0.0}

    def test_a_clearly_good_trial_goes_straight_through(self) -> None:
        trials = [Trial(n, "", State.PAUSED, {}, {"loss": {1: 1.0 + n}}) for n in range(2)]
        unit = self.scheduler(self.nine).next(trials)
        assert unit == Unit(None, 0, 9, None, {1: 1.0, 3: -inf})
        assert unit.goes_on(1, 0.9)
        assert not unit.goes_on(1, 1.0)
        assert not unit.goes_on(3, -5.0)  # nobody has been at rung 3 yet: one in three goes on
        assert unit.goes_on(2, 9.0)  # no rung

    def test_its_plan_has_the_way_of_the_winner_to_the_end(self) -> None:
        assert self.scheduler(Budget(20, 27, 1, 3)).plan.typical == 20 + 6 * 2 + 2 * 6 + 18

    def test_the_highest_rung_is_promoted_first(self) -> None:
        low = [Trial(n, "", State.PAUSED, {}, {"loss": {1: float(n)}}) for n in range(3)]
        high = [Trial(3 + n, "", State.PAUSED, {}, {"loss": {1: 9.0, 3: float(n)}}) for n in range(3)]
        unit = self.scheduler(self.nine).next([*low, *high])
        assert unit is not None
        assert (unit.trial, unit.start) == (3, 3)

    def test_the_winner_is_trained_to_the_end_even_of_a_few(self) -> None:
        trials, _ = self.play(1, worse_and_worse, Budget(4, 27, 1, 3))
        assert [t.epochs for t in trials] == [27, 1, 1, 1]

    def test_a_poor_trial_that_ended_by_itself_does_not_stand_for_the_winner(self) -> None:
        poor = Trial(0, "", State.FINISHED, {}, {"loss": {1: 9.0}}, ended_itself=True).extended_to((2, 9))
        others = [Trial(n, "", State.PAUSED, {}, {"loss": {2: float(n)}}) for n in (1, 2)]
        assert scheduler("asha", Budget(3, 9, 1, 4)).next([poor, *others]) == Unit(1, 2, 9, 1)

    def test_where_only_that_one_got_high_the_best_below_goes_on(self) -> None:
        poor = Trial(0, "", State.FINISHED, {}, {"loss": {1: 0.5, 2: 9.0}}, ended_itself=True).extended_to(
            (1, 3, 9, 27)
        )
        better = [Trial(n, "", State.PAUSED, {}, {"loss": {1: n / 9, 3: n / 9}}) for n in (1, 2)]
        asha = scheduler("asha", Budget(3, 27, 1, 3))
        assert asha._finale([poor, *better]) == Unit(1, 3, 27, 1)  # type: ignore[attr-defined]


class TestHalving(SchedulerContract):
    name = "halving"

    def test_nine_three_one(self) -> None:
        """Jamieson and Talwalkar 2016: all of a rung before any of the next."""
        ended = self.play(4, lambda n, e: -float(n), Budget(9, 9, 1, 3))[1]
        assert [(u.trial, u.stop) for u in ended[9:]] == [(8, 3), (7, 3), (6, 3), (8, 9)]

    def test_one_that_fails_on_its_way_up_is_replaced_by_the_next_best(self) -> None:
        trials, _ = self.play(1, worse_and_worse, Budget(9, 9, 1, 3), lambda u: (u.trial, u.start) == (0, 3))
        assert [t.epochs for t in trials] == [3, 9, 3, 1, 1, 1, 1, 1, 1]

    def test_a_trial_that_reached_a_target_between_rungs_goes_on_when_the_study_does(self) -> None:
        trials = [Trial(n, "", State.STOPPED, {}, {"loss": {1: float(n)}}) for n in range(9)]
        trials[0] = Trial(0, "", State.STOPPED, {}, {"loss": {1: 0.0, 2: -1.0}})
        assert scheduler("halving", Budget(9, 9, 1, 3)).next(trials) == Unit(0, 2, 3, 0)


class TestHyperband(SchedulerContract):
    name = "hyperband"

    def test_the_papers_table(self) -> None:
        """Li et al. 2018, table 1: R = 81, eta = 3."""
        whole = Hyperband(Budget(81 + 34 + 15 + 8 + 5, 81, 1, 3))
        assert [list(zip(b.sizes, b.rungs, strict=True)) for b in whole.brackets] == [
            [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
            [(34, 3), (11, 9), (3, 27), (1, 81)],
            [(15, 9), (5, 27), (1, 81)],
            [(8, 27), (2, 81)],
            [(5, 81)],
        ]

    def test_it_begins_again_and_ends_with_what_is_left(self) -> None:
        sizes = [b.size for b in Hyperband(Budget(20, 9, 1, 3)).brackets]
        assert sizes == [9, 5, 3, 3]


class TestMedianStopping(SchedulerContract):
    name = "median"

    def test_the_best_so_far_is_held_against_the_median_of_running_averages(self) -> None:
        others = [
            Trial(n, "", State.FINISHED, {}, {"loss": {1: 1.0 + n, 3: 3.0 + n, 9: 0.0}}) for n in range(3)
        ]
        rule = MedianStopping(Budget(4, 9, 1, 3))  # averages at epoch 3 are 2, 3 and 4

        def after(*losses: float) -> Unit | None:
            last = Trial(3, "", State.PAUSED, {}, {"loss": dict(zip((1, 3), losses, strict=True))})
            return rule.next([*others, last])

        assert after(3.0, 9.0) == Unit(3, 3, 9, 3)  # its best, not its last
        assert after(3.1, 3.1) is None


class TestPopulationBasedTraining(SchedulerContract):
    name = "pbt"
    budget = Budget(max_trials=20, max_epochs=27, min_epochs=9, eta=3)

    def test_the_worst_are_replaced_by_copies_of_the_best(self) -> None:
        trials, ended = self.play(3, worse_and_worse, Budget(10, 27, 9, 3))
        assert PopulationBasedTraining(Budget(10, 27, 9, 3)).population == 6
        assert [(t.number, t.source, t.start) for t in trials[6:]] == [
            (6, 0, 9),
            (7, 1, 9),
            (8, 0, 18),
            (9, 1, 18),
        ]
        assert Counter(u.stop for u in ended) == {9: 6, 18: 6, 27: 6}
        assert [t.epochs for t in trials] == [27, 27, 27, 27, 9, 9, 18, 18, 27, 27]

    def test_what_ended_by_itself_is_not_copied(self) -> None:
        trials = [Trial(n, "", State.PAUSED, {}, {"loss": {9: float(n)}}) for n in range(6)]
        trials[0] = Trial(0, "", State.FINISHED, {}, {"loss": {7: 0.0}}, ended_itself=True).extended_to(
            (9, 18, 27)
        )
        unit = scheduler("pbt", Budget(10, 27, 9, 3)).next(trials)
        assert unit == Unit(None, 9, 18, source=1)

    def test_a_population_stays_as_large_as_it_was_when_more_trials_are_asked_for(self) -> None:
        trials, _ = self.play(1, worse_and_worse, Budget(10, 27, 9, 3))
        assert scheduler("pbt", Budget(20, 27, 9, 3)).next(trials) is None

    def test_what_fails_later_does_not_change_who_was_selected(self) -> None:
        trials = [Trial(n, "", State.PAUSED, {}, {"loss": {9: float(n), 18: float(n)}}) for n in range(6)]
        trials[3] = Trial(3, "", State.FAILED, {}, {"loss": {9: 3.0}})
        trials[4:] = [
            Trial(n, "", State.PAUSED, {}, {"loss": {9: float(n)}}) for n in (4, 5)
        ]  # not selected at 9
        trials += [Trial(n, "", State.PAUSED, {}, {"loss": {18: 9.0}}, start=9, source=n - 6) for n in (6, 7)]
        assert scheduler("pbt", Budget(10, 27, 9, 3)).next(trials) == Unit(None, 18, 27, source=0)

    def test_too_few_trials_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="'pbt' needs max-trials of 10 at least for 9 generations of 1"):
            scheduler("pbt", Budget(5, 9, 1, 3))


def test_patience_counts_from_the_last_trial_that_was_the_best_at_its_first_rung() -> None:
    def at(number: int, **losses: float) -> Trial:
        return Trial(number, "", State.PAUSED, {}, {"loss": {int(k[1:]): v for k, v in losses.items()}})

    first = [at(0, e1=0.5), at(1, e1=0.4, e3=0.2), at(2, e1=0.6), at(3, e1=0.7)]
    assert since_better(first, (1, 3, 9)) == 2  # that trial 1 was promoted is no matter
    higher = at(4, e3=0.3)  # of another bracket: worse than trial 1 there
    assert since_better([*first, higher], (1, 3, 9)) == 3
    assert since_better([*first, higher, at(5, e3=0.1)], (1, 3, 9)) == 0
    assert since_better([at(0, e10=0.5, e27=0.4), at(1, e10=0.6, e27=0.3)], (27,)) == 0
    failed = Trial(4, "", State.FAILED, {}, {"loss": {1: 0.1}})
    assert since_better([*first, failed], (1, 3, 9)) == 2


@pytest.mark.parametrize(
    ("budget", "rungs"),
    [
        (Budget(9, 27, 1, 3), (1, 3, 9, 27)),
        (Budget(9, 10, 1, 3), (1, 3, 10)),
        (Budget(9, 100, 5, 4), (6, 25, 100)),
        (Budget(9, 2, 1, 3), (2,)),
        (Budget(9, 8, 8, 2), (8,)),
    ],
    ids=str,
)
def test_rungs_are_powers_of_eta_down_from_the_end(budget: Budget, rungs: tuple[int, ...]) -> None:
    assert budget.rungs == rungs


@pytest.mark.parametrize("name", ["halving", "hyperband"])
def test_a_baseline_that_went_to_the_end_past_a_rung_keeps_nobody_waiting(name: str) -> None:
    """It was trained on when nothing else was left, and then the study got more trials."""
    budget = Budget(9, 9, 1, 3)
    first = Trial(0, "", State.FINISHED, {}, {"loss": {1: 0.0, 9: 0.0}})
    others = [Trial(n, "", State.PAUSED, {}, {"loss": {1: float(n)}}) for n in range(1, 9)]
    raised = [replace(t, results={"loss": {**t.losses, 3: t.losses[1]}}) for t in others[:2]]
    unit = scheduler(name, budget).next([first, *raised, *others[2:]])
    assert unit == Unit(1, 3, 9, source=1)


def test_patience_judges_a_trial_at_the_first_rung_of_its_bracket() -> None:
    """It told its loss at the lower one only as it passed it."""
    plan = scheduler("hyperband", Budget(16, 9, 1, 3)).plan
    assert plan.firsts == (1,) * 9 + (3,) * 5 + (9,) * 2
    trials = [Trial(n, "", State.PAUSED, {}, {"loss": {1: 0.4 + n / 10, 3: 0.3}}) for n in range(9)]
    better = Trial(9, "", State.PAUSED, {}, {"loss": {1: 0.9, 3: 0.1}})
    assert since_better([*trials, better], plan.rungs, plan.firsts) == 0
    assert (
        since_better([*trials, replace(better, results={"loss": {1: 0.1, 3: 0.5}})], plan.rungs, plan.firsts)
        == 9
    )
