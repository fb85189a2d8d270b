"""What every variant must keep: a test class of a variant inherits its contract."""

import json
import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, wait
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from processes import WAIT, answer, complain, gone, leave, name_yourself, sleep, until, write_on
from units import Logging, Reports, reported, score_of_logged_model, unit

from mlflow_hpo.algorithms import Algorithm, propose
from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.errors import NotFiniteError
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.space import Space, parse_space
from mlflow_hpo.store import Connection
from mlflow_hpo.trial import Config, State, Trial

SPACE = """
rate: {type: float, low: 1e-4, high: 1e-1, log: true}
share: {type: float, low: 0.0, high: 1.0}
width: {type: int, low: 8, high: 64, step: 8}
depth: {type: int, low: 1, high: 100, log: true}
drop: {type: float, low: 0.1, high: 0.7, step: 0.1}
size: 3
kind: [a, b, 4, true, null, 0.5, [8, 4]]
tool:
  - plain
  - pushed:
      momentum: {type: float, low: 0.1, high: 0.9}
      inner: [1, two: {deep: {type: int, low: 1, high: 9}}]
"""


def space() -> Space:
    return parse_space(SPACE, "space.yaml")


class AlgorithmContract:
    """A search algorithm, as `propose` uses it."""

    algorithm: Algorithm
    known: ClassVar[dict[tuple[type, int], list[Trial]]] = {}  # class and seed -> its history so far
    small = "a: [1, 2, 3, 4]\nb: [1, 2, 3]"

    def propose(self, trials: Sequence[Trial], number: int, seed: int = 1) -> dict[str, Any]:
        config = propose(self.algorithm, space(), trials, number, seed)
        assert config is not None
        return config

    def history(self, count: int, seed: int = 1) -> list[Trial]:
        """A study so far, each config the algorithm's own, built once for all tests."""
        trials = self.known.setdefault((type(self), seed), [])
        self.extend(trials, count, seed)
        return trials[:count]

    def extend(self, trials: list[Trial], count: int, seed: int = 1) -> None:
        for number in range(len(trials), count):
            config = self.propose(trials, number, seed)
            loss = config["share"] + config["rate"] + config.get("momentum", 0.0)
            trials.append(Trial(number, f"run{number}", State.FINISHED, config, {"loss": {10: loss}}))

    def test_it_is_deterministic(self) -> None:
        again: list[Trial] = []
        self.extend(again, 15)
        assert [t.config for t in self.history(15)] == [t.config for t in again]

    def test_seeds_differ(self) -> None:
        trials = self.history(12)
        one, other = (self.propose(trials, 12, seed) for seed in (1, 2))
        assert one != other

    def test_it_does_not_depend_on_the_trials_order(self) -> None:
        trials = self.history(14)
        assert self.propose(trials, 14) == self.propose(trials[::-1], 14)

    def test_it_survives_a_round_trip_through_text(self) -> None:
        trials = self.history(14)
        read = [_from_text(json.dumps(asdict(t))) for t in trials]
        assert self.propose(trials, 14) == self.propose(read, 14)

    def test_it_stays_within_the_space(self) -> None:
        for trial in self.history(25):
            assert space().encode(trial.config) is not None

    def test_parallel_proposals_do_not_repeat_each_other(self) -> None:
        small = parse_space(self.small, "space.yaml")
        trials: list[Trial] = []
        for number in range(8):
            config = propose(self.algorithm, small, trials, number, 0)
            assert config is not None
            assert config not in [t.config for t in trials]
            trials.append(Trial(number, "", State.RUNNING, config))

    def test_failed_and_running_trials_and_those_outside_the_space_do_no_harm(self) -> None:
        trials = self.history(12)
        trials[3] = replace(trials[3], state=State.FAILED, results={"loss": {}})
        trials[4] = replace(trials[4], state=State.RUNNING, results={"loss": {}})
        trials[5] = replace(trials[5], config={"elsewhere": 1})
        assert space().encode(self.propose(trials, 12)) is not None


class LearningContract(AlgorithmContract):
    """One that does better than chance on a simple function."""

    def test_it_learns(self) -> None:
        trials = self.history(50)
        early = [t.losses[10] for t in trials[:10]]
        late = [t.losses[10] for t in trials[-15:]]
        assert sum(late) / len(late) < sum(early) / len(early)

    def test_a_running_trial_is_not_proposed_again(self) -> None:
        trials = self.history(20)
        running = Trial(20, "", State.RUNNING, propose(self.algorithm, space(), trials, 20, 1) or {})
        assert propose(self.algorithm, space(), [*trials, running], 21, 1) != running.config


def _from_text(text: str) -> Trial:
    fields = json.loads(text)
    results = {name: {int(k): v for k, v in losses.items()} for name, losses in fields["results"].items()}
    return Trial(**fields | {"results": results, "state": State(fields["state"])})


class ExecutorContract:
    """An executor, from the fixture `executor`."""

    def test_result(self, executor: Executor) -> None:
        assert [executor.submit(answer, n).result(WAIT) for n in range(5)] == [0, 2, 4, 6, 8]

    def test_exception(self, executor: Executor) -> None:
        with pytest.raises(ValueError, match="as asked"):
            executor.submit(complain).result(WAIT)
        assert executor.submit(answer, 1).result(WAIT) == 2

    def test_what_is_near_the_same_runs_in_the_same_worker(self, executor: Executor) -> None:
        names = [str(number) for number in range(executor.workers)]
        begun = {near: executor.submit(name_yourself, 1.0, near=near) for near in names}
        pids = {near: future.result(WAIT) for near, future in begun.items()}
        assert len(set(pids.values())) == executor.workers
        for near in [*names[::-1], *names]:
            assert executor.submit(name_yourself, 0.0, near=near).result(WAIT) == pids[near]

    def test_it_works_again_after_a_shutdown(self, executor: Executor) -> None:
        executor.shutdown()
        assert executor.submit(answer, 3).result(WAIT) == 6


class WorkersContract(ExecutorContract):
    """An executor of at least two worker processes that can be ended."""

    def works(self, executor: Executor) -> bool:
        numbers = range(2 * executor.workers)
        return [f.result(WAIT) for f in [executor.submit(answer, n) for n in numbers]] == [
            2 * n for n in numbers
        ]

    def test_as_many_run_at_a_time_as_there_are_workers(self, executor: Executor) -> None:
        futures = [executor.submit(name_yourself, 1.0) for _ in range(2 * executor.workers)]
        most = 0
        while wait(futures, 0.05).not_done:
            most = max(most, sum(future.running() for future in futures))
        assert most == executor.workers
        assert len({future.result() for future in futures}) == executor.workers

    def test_timeout(self, executor: Executor) -> None:
        with pytest.raises(TimeoutError):
            executor.submit(sleep, 60, timeout_s=0.5).result(WAIT)
        assert self.works(executor)

    @pytest.mark.parametrize("status", [0, 3, -signal.SIGKILL])
    def test_a_worker_that_ends_before_it_answers_is_lost(self, executor: Executor, status: int) -> None:
        other = executor.submit(sleep, 1.0)
        executor.submit(answer, 0).result(WAIT)  # the worker has started
        began = time.monotonic()
        with pytest.raises(WorkerLost) as caught:
            executor.submit(leave, status).result(WAIT)
        assert time.monotonic() - began < 5
        assert (caught.value.exit_status, caught.value.signal) == (
            (None, -status) if status < 0 else (status, None)
        )
        assert other.result(WAIT) is None, "it fails only its own future"
        assert self.works(executor)

    def test_a_worker_that_dies_idle_costs_nothing(self, executor: Executor) -> None:
        for pid in {executor.submit(os.getpid).result(WAIT) for _ in range(4)}:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        assert self.works(executor)

    def test_cancelling_ends_the_worker_of_that_unit_and_no_other(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        file, other = tmp_path / "pids", executor.submit(name_yourself, 3.0)
        future = executor.submit(write_on, str(file))
        assert until(file.exists)
        assert future.running()
        assert future.cancel()
        with pytest.raises(CancelledError):
            future.result(WAIT)
        assert wait([future], WAIT).done == {future}
        size = file.stat().st_size
        assert gone(int(file.read_text().split()[0])), "`wait` waits for the worker's end"
        assert not gone(other.result(WAIT))
        assert file.stat().st_size == size
        assert self.works(executor)

    def test_what_is_cancelled_while_it_waits_for_a_worker_never_runs(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        busy = [executor.submit(name_yourself, 2.0) for _ in range(executor.workers)]
        file = tmp_path / "pids"
        future = executor.submit(write_on, str(file))
        assert future.cancel()
        assert future.cancel()
        assert wait([future], 1).done == {future}
        pids = {other.result(WAIT) for other in busy}
        assert {executor.submit(name_yourself, 0.5).result(WAIT) for _ in range(4)} <= pids
        assert not file.exists()

    def test_all_units_can_be_cut_at_once(self, executor: Executor, tmp_path: Path) -> None:
        """Workers that do not listen take seconds to end: all of them together, not one after the other."""
        files = [tmp_path / str(number) for number in range(executor.workers)]
        futures = [executor.submit(write_on, str(file), True) for file in files]
        assert until(lambda: all(file.exists() for file in files))
        assert all(future.cancel() for future in futures)
        assert wait(futures, WAIT).done == set(futures)
        told = [float(Path(f"{file}.told").read_text()) for file in files]
        assert max(told) - min(told) < 3, "an executor's patience with one worker"
        assert gone(*(int(file.read_text().split()[0]) for file in files))
        assert self.works(executor)


class ObjectiveContract:
    """An objective: training a->b->c equals a->c, and what is not finite fails."""

    objective: Objective
    config: ClassVar[Config]
    broken: ClassVar[Config]  # one whose loss becomes NaN
    metrics: ClassVar[set[str]]
    data = "digits"
    counted = Metric("val_accuracy", maximize=True)
    keeps_best = True  # whether the best epoch's model can be had at the end
    each_epoch = True  # whether it reports every epoch, or only where it must

    def handle(
        self, folder: Path, start: int, epochs: int, config: Config | None = None, **more: Any
    ) -> Handle:
        self.reports = more.pop("reports", Reports())
        given: dict[str, Any] = {
            "config": config or self.config,
            "seed": 11,
            "max_epochs": 4,
            "data": load_data(DataSpec(self.data)),
        }
        return unit(folder, start, epochs, reports=self.reports, **(given | more))

    @property
    def model(self) -> Any:
        """The model that was logged by the newest handle's unit."""
        return self.reports.model

    def train(self, handle: Handle) -> dict[int, dict[str, float]]:
        self.objective.train(handle)
        return reported(handle)

    def test_training_in_parts_equals_training_at_once(self, tmp_path: Path) -> None:
        first, second = (self.handle(tmp_path / "parts", *part) for part in ((0, 1), (1, 3)))
        parts = self.train(first) | self.train(second)
        assert not first.ended_itself
        assert not second.ended_itself
        whole_handle = self.handle(tmp_path / "whole", 0, 3, rungs=(1,))
        whole = self.train(whole_handle)
        assert sorted(parts) == sorted(whole) == ([1, 2, 3] if self.each_epoch else [1, 3])
        for epoch, values in whole.items():
            assert self.metrics <= set(values)
            assert parts[epoch] == pytest.approx(values, abs=2e-3), epoch
        assert whole_handle.progress.model_uri == "models:/kept"
        assert whole_handle.data is not None
        assert 0 <= self.objective.evaluate(lambda flavor: self.model, whole_handle.data)["accuracy"] <= 1

    @pytest.mark.parametrize("at_best", [True, False])
    def test_the_logged_model_scores_what_the_trial_says(
        self, at_best: bool, tmp_path: Path, connection: Connection, experiment: str
    ) -> None:
        """In two units: the best epoch may be one of the first."""
        if at_best and not self.keeps_best:
            pytest.skip("its model is the user's to log")
        folder, best = tmp_path / "unit", None
        for start, stop in ((0, 2), (2, 4)):
            reports = Logging(connection, experiment)
            given: dict[str, Any] = {"at_best": at_best, "best": best, "run_id": "own", "source_id": "own"}
            trial = self.handle(folder, start, stop, metric=self.counted, reports=reports, **given)
            self.objective.train(trial)
            best = trial.progress.best
        value = trial.progress.value(self.counted.name, trial.reached)
        curve = [values[self.counted.name] for values in trial.progress.reported.values()]
        assert value >= max(curve) if at_best else value == curve[-1]
        assert self.score(trial, connection) == pytest.approx(self.value(trial, value), abs=1e-4)

    def score(self, trial: Handle, connection: Connection) -> float:
        return score_of_logged_model(trial, connection, self.counted)

    def value(self, trial: Handle, value: float) -> float:
        """What the logged model's value should be."""
        return value

    def test_the_driver_knows_what_it_may_tune(self, tmp_path: Path) -> None:
        model = self.objective.describe("own", load_data(DataSpec(self.data, 0)))
        assert set(self.config) <= (model.takes or set(self.config))
        assert model.has_epochs
        known = self.objective.dry_run(self.handle(tmp_path, 0, 1))
        assert known is None or self.metrics - {"learning_rate"} <= set(known)

    def test_a_loss_that_is_not_finite_fails(self, tmp_path: Path) -> None:
        with pytest.raises(NotFiniteError, match=r"became (nan|inf|-inf) at epoch \d"):
            self.train(self.handle(tmp_path, 0, 3, self.broken))
