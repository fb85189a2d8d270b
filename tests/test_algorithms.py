from contracts import AlgorithmContract, space

from mlflow_hpo.algorithms import STARTUP_TRIALS, algorithm, propose
from mlflow_hpo.trial import State, Trial


class TestRandom(AlgorithmContract):
    suggest = staticmethod(algorithm("random"))


class TestTpe(AlgorithmContract):
    suggest = staticmethod(algorithm("tpe"))

    def test_it_learns_after_its_random_start(self) -> None:
        trials = self.history(60)
        early = [t.losses[10] for t in trials[:STARTUP_TRIALS]]
        late = [t.losses[10] for t in trials[-20:]]
        assert sum(late) / len(late) < sum(early) / len(early)

    def test_a_running_trial_moves_the_next_proposal(self) -> None:
        trials = self.history(20)
        running = Trial(20, "", State.RUNNING, propose(self.suggest, space(), trials, 20, 1))
        apart = propose(self.suggest, space(), [*trials, running], 21, 1)
        assert apart != running.config
        assert (
            apart != propose(self.suggest, space(), trials, 21, 1) or apart["rate"] != running.config["rate"]
        )
