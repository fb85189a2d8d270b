import pytest
from contracts import AlgorithmContract, LearningContract

from mlflow_hpo.algorithms import algorithm, explained, propose
from mlflow_hpo.algorithms.auto import MODEL_TRIALS
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import State, Trial

NUMERIC = "a: {type: int, low: 1, high: 4}\nb: {type: int, low: 1, high: 3}"
FLOATS = "a: {type: float, low: 0, high: 1}\nb: {type: float, low: 0, high: 1}"


class TestAuto(LearningContract):
    algorithm = algorithm("auto")

    @pytest.mark.parametrize("later", ["cmaes", "evolution"])
    def test_it_says_what_it_takes_and_takes_that(self, later: str) -> None:
        given = parse_space(FLOATS if later == "cmaes" else f"c: [1, 2]\n{FLOATS}", "space.yaml")
        line = explained(given, MODEL_TRIALS + 1)
        assert line.startswith("algorithm auto: gp, as ")
        assert f"; from trial {MODEL_TRIALS} on {later}, as there are " in line
        assert later not in explained(given, MODEL_TRIALS)
        trials = [
            Trial(
                i,
                "",
                State.FINISHED,
                propose(algorithm("random"), given, [], i, 0) or {},
                {"loss": {1: i / 9}},
            )
            for i in range(MODEL_TRIALS)
        ]
        for number, name in ((20, "gp"), (MODEL_TRIALS, later)):
            one, other = (propose(algorithm(n), given, trials, number, 3) for n in ("auto", name))
            assert one == other


class TestRandom(AlgorithmContract):
    algorithm = algorithm("random")


class TestTpe(LearningContract):
    algorithm = algorithm("tpe")


class TestAnneal(LearningContract):
    algorithm = algorithm("anneal")


class TestGp(LearningContract):
    algorithm = algorithm("gp")


class TestEvolution(LearningContract):
    algorithm = algorithm("evolution")


class TestCmaes(LearningContract):
    algorithm = algorithm("cmaes")
    small = NUMERIC

    def test_it_needs_numbers(self) -> None:
        with pytest.raises(ConfigError, match="'cmaes' needs 2 numeric hyperparameters, the space has 0"):
            self.algorithm.check(parse_space("a: [1, 2]", "space.yaml"))


@pytest.mark.parametrize("name", ["tpe", "anneal", "random"])
def test_what_lies_below_an_option_is_learnt_of_too(name: str) -> None:
    """Where the option is taken; elsewhere it is not asked for."""
    text = parse_space("kind: [a, b: {x: {type: float, low: 0, high: 1}, deep: [c, d: {y: [1, 2]}]}]", "s")
    trials: list[Trial] = []
    for number in range(60):
        config = propose(algorithm(name), text, trials, number, 3) or {}
        assert text.fault(config) == ""
        loss = (config["x"] - 0.2) ** 2 if "x" in config else 1.0
        trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: loss}}))
    late = [t.config["x"] for t in trials[30:] if "x" in t.config]
    assert len(late) > 5
    assert name != "anneal" or all(abs(x - 0.2) < 0.2 for x in late)
