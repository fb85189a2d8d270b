"""The model of the algorithm gp: its gradient, what it predicts, and the improvement expected of that."""

import numpy as np
import pytest
from contracts import space
from scipy.optimize import approx_fprime
from scipy.stats import norm

from mlflow_hpo.algorithms import algorithm, propose
from mlflow_hpo.algorithms.base import Point, at_random
from mlflow_hpo.algorithms.encoding import Encoding
from mlflow_hpo.algorithms.gaussian import _loss, fitted, standardised
from mlflow_hpo.algorithms.gp import improvement
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import State, Trial

RNG = np.random.default_rng(0)
GROUPS, NUMBERS = np.array([0, 1, 2, 2, 3]), np.array([0, 1, 4])
X = RNG.random((30, 5))
Y = standardised(np.sin(5 * X[:, 0]) + X[:, 1] ** 2)


def test_the_gradient_is_that_of_the_loss() -> None:
    parameters = np.concatenate([RNG.normal(-0.5, 0.3, 4), [-5.0], RNG.normal(0, 0.3, 6)])
    loss = _loss(X, Y, GROUPS, NUMBERS, np.zeros(11), np.ones(11))
    expected = approx_fprime(parameters, lambda p: loss(p)[0], 1e-7)
    assert loss(parameters)[1] == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_it_predicts_what_it_saw_and_is_less_sure_elsewhere() -> None:
    model = fitted(X, Y, GROUPS, NUMBERS)
    mean, spread = model.predict(X)
    assert mean == pytest.approx(Y, abs=0.05)
    assert spread.max() < model.predict(X + 0.5)[1].min()
    believed = model.with_believed(X[:3] + 0.5)
    assert believed.predict(X[:3] + 0.5)[0] == pytest.approx(model.predict(X[:3] + 0.5)[0], abs=0.05)
    assert (believed.predict(X[:3] + 0.5)[1] < model.predict(X[:3] + 0.5)[1]).all()


def test_the_improvement_is_told_apart_where_it_is_next_to_nothing() -> None:
    mean = np.array([-1.0, 0.0, 0.9, 1.1, 3.0])
    exact = (0.0 - mean) * norm.cdf(-mean) + norm.pdf(mean)
    assert improvement(0.0, mean, np.ones(5)) == pytest.approx(np.log(exact), rel=1e-6)
    far = improvement(0.0, np.array([40.0, 50.0, 60.0]), np.ones(3))
    assert np.isfinite(far).all()
    assert (np.diff(far) < 0).all()


def test_rows_are_the_trials_they_come_from() -> None:
    drawn = [Point(i, at_random(space(), RNG), 0.0) for i in range(40)]
    encoding = Encoding(space(), drawn)
    rows = encoding.positions(drawn, RNG)
    for row, point in zip(rows, drawn, strict=True):
        assert encoding.raws(row, RNG) == pytest.approx(point.raws)
    active = encoding.active(rows)
    assert [int(a.sum()) for a in active] == [len(point.raws) for point in drawn]
    near = encoding.near(rows, 0.1, 0.3, RNG)
    assert all(space().fault(space().config(encoding.raws(row, RNG))) == "" for row in near)


@pytest.mark.parametrize("losses", [[1e308, -1e308, 0.0], [5.0, 5.0, 5.0], [1e-320, 0.0, 1e-310]])
def test_losses_of_any_size_are_learnt_from(losses: list[float]) -> None:
    line = parse_space("x: {type: float, low: 0, high: 1}", "space.yaml")
    trials = [Trial(i, "", State.FINISHED, {"x": i / 12}, {"loss": {1: losses[i % 3]}}) for i in range(12)]
    assert line.fault(propose(algorithm("gp"), line, trials, 12, 0) or {}) == ""
