import pytest
from contracts import AlgorithmContract, LearningContract, space

from mlflow_hpo.algorithms import algorithm, propose
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import State, Trial

NUMERIC = "a: {type: int, low: 1, high: 4}\nb: {type: int, low: 1, high: 3}"


class TestOptunaTpe(LearningContract):
    algorithm = algorithm("optuna:TPESampler")


class TestOptunaNsga2(AlgorithmContract):
    algorithm = algorithm("optuna:NSGAII")

    def test_its_generations_are_rebuilt(self) -> None:
        """Its population is 50: what it learnt shows after that."""
        trials = self.history(120)
        early = [t.losses[10] for t in trials[:50]]
        late = [t.losses[10] for t in trials[-20:]]
        assert sum(late) / len(late) < sum(early) / len(early)


class TestOptunaCmaEs(LearningContract):
    algorithm = algorithm("optuna:CmaEsSampler")
    small = NUMERIC


class TestOptunaQmc(AlgorithmContract):
    algorithm = algorithm("optuna:QMC", seed=7)

    def test_seeds_differ(self) -> None:
        one, other = (
            [propose(algorithm("optuna:QMC", seed=s), space(), self.history(3), 3, s) for _ in "x"]
            for s in (1, 2)
        )
        assert one != other

    def test_the_sequence_goes_on_from_trial_to_trial(self) -> None:
        line = parse_space(
            "x: {type: float, low: 0, high: 1}\ny: {type: float, low: 0, high: 1}", "space.yaml"
        )
        trials: list[Trial] = []
        for number in range(17):
            config = propose(self.algorithm, line, trials, number, 0) or {}
            trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: 0.0}}))
        cells = {int(t.config["x"] * 16) for t in trials[1:]}
        assert len(cells) >= 15  # a random draw would fill ten of the sixteen

    def test_what_hangs_on_a_choice_is_drawn_anew_each_time(self) -> None:
        inner = parse_space("kind: [a, b: {m: {type: float, low: 0, high: 1}}, c]", "space.yaml")
        trials = [Trial(0, "", State.FINISHED, {"kind": "a"}, {"loss": {1: 0.0}})]
        for number in range(1, 16):
            config = propose(self.algorithm, inner, trials, number, 0) or {}
            trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: 0.0}}))
        drawn = [t.config["m"] for t in trials if "m" in t.config]
        assert len(drawn) > 2
        assert len(set(drawn)) == len(drawn)


def test_a_sampler_that_cannot_search_the_space_is_refused_before_it_starts() -> None:
    line = parse_space("x: {type: float, low: 0, high: 1}", "space.yaml")
    with pytest.raises(ConfigError, match=r"'optuna:BruteForce' cannot be used here: ValueError: .*"):
        algorithm("optuna:BruteForce").check(line)
    algorithm("optuna:TPE").check(line)


def test_a_sampler_that_optuna_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match=r"unknown sampler of Optuna's 'XYZ': known are .*TPESampler"):
        algorithm("optuna:XYZ")
