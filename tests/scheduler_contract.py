"""What every scheduler must keep: its test class inherits this."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mlflow_hpo.schedulers import Budget, Scheduler
from mlflow_hpo.schedulers import scheduler as make_scheduler
from mlflow_hpo.trial import State, Trial, Unit

Losses = Callable[[int, int], float]  # of a trial after some epochs


class SchedulerContract:
    """A scheduler, played with losses that are a function of number and epochs."""

    name: str
    budget = Budget(max_trials=20, max_epochs=27, min_epochs=1, eta=3)

    def scheduler(self, budget: Budget | None = None) -> Scheduler:
        return make_scheduler(self.name, budget or self.budget)

    def play(
        self,
        workers: int,
        losses: Losses = lambda number, epochs: (number * 7 % 20) / epochs,
        budget: Budget | None = None,
        fails: Callable[[Unit], bool] = lambda unit: False,
        most: int = 1000,
        ends: Callable[[int], int] = lambda number: 1000,
    ) -> tuple[list[Trial], list[Unit]]:
        """A whole study with some workers: the trials, and the units with where they ended, in order.

        Args:
            most: how many configs an algorithm has.
            ends: the epoch at which a trial ends by itself.
        """
        trials: list[Trial] = []
        running: list[Unit] = []
        ended: list[Unit] = []
        while True:
            while len(running) < workers and (
                unit := self.scheduler(budget).next(self.seen(trials), len(trials) < most)
            ):
                running.append(self.begin(trials, unit))
            if not running:
                return trials, ended
            ended.append(self.end(trials, running.pop(0), losses, fails, ends))
            assert len(ended) < 10_000, "it never ends"

    def seen(self, trials: Sequence[Trial]) -> list[Trial]:
        """As a study shows them."""
        return [trial.extended_to(self.scheduler().plan.rungs) for trial in trials]

    def begin(self, trials: list[Trial], unit: Unit) -> Unit:
        if unit.trial is None:
            unit = replace(unit, trial=len(trials))
            trials.append(Trial(len(trials), "", State.RUNNING, {}, start=unit.start, source=unit.source))
        assert unit.trial is not None
        assert trials[unit.trial].epochs in (0, unit.start)
        trials[unit.trial] = replace(trials[unit.trial], state=State.RUNNING)
        return unit

    def end(
        self,
        trials: list[Trial],
        unit: Unit,
        losses: Losses,
        fails: Callable[[Unit], bool],
        ends: Callable[[int], int],
    ) -> Unit:
        assert unit.trial is not None
        trial, passed, last = trials[unit.trial], dict[int, float](), ends(unit.trial)
        for epochs in sorted({*unit.thresholds, unit.stop, last} - {e for e in (last,) if e <= unit.start}):
            passed[epochs] = losses(unit.trial, epochs)
            if epochs == last or not unit.goes_on(epochs, passed[epochs]):
                break
        reached = max(passed)
        over = reached in (self.budget.max_epochs, last)
        state = State.FINISHED if over else State.PAUSED
        if fails(unit):
            trials[unit.trial] = replace(trial, state=State.FAILED)
        else:
            known, complete = {**trial.losses, **passed}, reached == last
            trials[unit.trial] = replace(trial, results={"loss": known}, state=state, ended_itself=complete)
        return replace(unit, stop=reached)

    @pytest.mark.parametrize("workers", [1, 3])
    def test_it_ends_although_trials_end_by_themselves(self, workers: int) -> None:
        """The best do: nobody asks for more of them."""
        for last in (2, 4, 10):
            until = [last] * 4 + [1000] * 100
            trials, ended = self.play(workers, lambda n, e: float(n) - 1 / e, ends=until.__getitem__)
            assert all(u.stop <= last for u in ended if (u.trial or 0) < 4)
            assert all(t.state in (State.FINISHED, State.PAUSED) for t in trials)

    @pytest.mark.parametrize("workers", [1, 2, 5])
    @pytest.mark.parametrize("seed", range(4))
    def test_no_trial_is_given_to_the_same_epoch_twice(self, workers: int, seed: int) -> None:
        merit = np.random.default_rng(seed).random(100)
        trials, ended = self.play(workers, lambda number, epochs: float(merit[number]) / epochs)
        assert 2 <= len(trials) <= self.budget.max_trials
        stops = [(u.trial, u.stop) for u in ended]
        assert len(stops) == len(set(stops))
        assert all(0 <= u.start < u.stop <= self.budget.max_epochs for u in ended)
        assert any(t.epochs == self.budget.max_epochs for t in trials)
        assert all(t.state in (State.FINISHED, State.PAUSED) for t in trials)

    @pytest.mark.parametrize("workers", [1, 3])
    def test_a_unit_starts_where_its_source_ended(self, workers: int) -> None:
        _, ended = self.play(workers)
        seen = set[tuple[int | None, int]]()
        for unit in ended:
            assert (unit.start == 0) if unit.source is None else ((unit.source, unit.start) in seen)
            seen |= {(unit.trial, epochs) for epochs in (*unit.thresholds, unit.stop) if epochs <= unit.stop}

    @pytest.mark.parametrize("workers", [1, 2, 5])
    def test_it_ends_although_trials_fail(self, workers: int) -> None:
        trials, _ = self.play(workers, fails=lambda unit: (unit.trial or 0) % 3 == 1)
        assert any(t.epochs == self.budget.max_epochs for t in trials)
        assert not self.play(workers, fails=lambda unit: True)[0][0].losses

    @pytest.mark.parametrize("workers", [1, 3])
    def test_it_ends_although_promoted_trials_fail(self, workers: int) -> None:
        """The first two that get beyond the first rung fail there."""
        first, fallen = self.scheduler().plan.rungs[0], set[int]()

        def fails(unit: Unit) -> bool:
            if unit.start >= first and len(fallen) < 2:
                fallen.add(unit.trial or 0)
            return unit.trial in fallen

        trials, _ = self.play(workers, fails=fails)
        assert any(t.epochs == self.budget.max_epochs for t in trials)

    @pytest.mark.parametrize("known", [3, 7])
    def test_where_no_new_config_can_be_had_the_others_go_on_to_an_end(self, known: int) -> None:
        trials, _ = self.play(1, most=known)
        assert len(trials) == known
        assert any(t.epochs == self.budget.max_epochs for t in trials)

    def test_what_it_spends_is_what_it_planned(self) -> None:
        plan = self.scheduler().plan
        for losses in (lambda n, e: -float(n), lambda n, e: float(n), lambda n, e: (n * 13 % 20) / e):
            spent = sum(u.stop - u.start for u in self.play(1, losses)[1])
            assert spent <= plan.most
            assert spent == plan.most or plan.typical < plan.most

    def test_it_is_pure_and_goes_on_after_an_end_as_before_it(self) -> None:
        trials, _ = self.play(1)
        for count in range(len(trials)):
            part: Sequence[Trial] = tuple(trials[:count])
            assert self.scheduler().next(part) == self.scheduler().next(part)
        over = [replace(t, state=State.FINISHED) for t in trials]  # as an ended study leaves them
        assert self.scheduler().next(trials) is None
        assert self.scheduler().next(over) is None

    def test_a_cut_unit_is_given_again_before_anything_else(self) -> None:
        rungs = self.scheduler().plan.rungs
        done = Trial(0, "", State.FINISHED, {}, {"loss": {self.budget.max_epochs: 0.1}})
        cut = [done, Trial(1, "", State.KILLED, {})]
        unit = self.scheduler().next(cut)
        assert unit is not None
        assert (unit.trial, unit.start, unit.source) == (1, 0, None)
        assert self.scheduler().next(cut, more=False) == unit
        later = [done, Trial(1, "", State.KILLED, {}, {"loss": {rungs[0]: 0.1}})] if len(rungs) > 1 else cut
        again = self.scheduler().next(later)
        assert again is not None
        assert (again.trial, again.start) == (1, later[1].epochs)
