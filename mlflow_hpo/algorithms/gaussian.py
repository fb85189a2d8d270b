"""A Gaussian process with a Matérn 5/2 kernel, whose inputs are warped; fitted by its posterior's maximum.

Snoek et al. 2014, "Input Warping for Bayesian Optimization of Non-stationary Functions"; Hvarfner et al.
2024, "Vanilla Bayesian Optimization Performs Great in High Dimensions", for the prior of the lengths.
Gradients are written out, since scikit-learn has no warps and takes several times as long for each fit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Array = Any
ITERATIONS = 40  # of the optimiser
LENGTH_SPREAD = np.sqrt(3.0)  # of the logarithm of a length, about sqrt(2) + log(dimensions) / 2
NOISE, NOISE_SPREAD = np.log(1e-4), 3.0  # of the logarithm of the noise, as a part of the variance
WARP_SPREAD = 0.5  # of the logarithm of both exponents of a warp
MARGIN = 1e-6  # of a warped position from 0 and 1, where its slope may be infinite
JITTER = 1e-10


@dataclass(frozen=True)
class Kernel:
    """The lengths, warps and noise of a Gaussian process.

    Attributes:
        groups: which length each feature has: the features of a choice share one.
        warped: the features that are numbers.
    """

    groups: Array
    warped: Array
    parameters: Array

    @property
    def _count(self) -> int:
        return int(self.groups.max()) + 1

    @property
    def lengths(self) -> Array:
        """The length of each feature."""
        return np.exp(self.parameters[: self._count])[self.groups]

    @property
    def noise(self) -> float:
        """The variance of the noise, as a part of that of the function."""
        return float(np.exp(self.parameters[self._count]))

    def warp(self, x: Array) -> tuple[Array, Array, Array]:
        """Returns warped features, and their derivatives with respect to both logarithms of the exponents.

        The warp is Kumaraswamy's distribution function, 1 - (1 - x^a)^b.
        """
        exponents = np.exp(self.parameters[self._count + 1 :].reshape(2, -1))
        if not exponents.size:
            return x, None, None
        part = np.clip(x[:, self.warped], MARGIN, 1 - MARGIN)
        a, b = exponents
        power = part**a
        rest = 1 - power
        below = rest**b
        warped = x.copy()
        warped[:, self.warped] = 1 - below
        return warped, a * b * below / rest * power * np.log(part), -b * below * np.log(rest)


def standardised(losses: Array) -> Array:
    """Returns losses with mean 0 and standard deviation 1, if they differ at all."""
    return (losses - losses.mean()) / (losses.std() or 1.0)


def _distances(one: Array, other: Array) -> Array:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.sqrt(5 * np.maximum(squares, 0.0))


def _matern(distances: Array) -> Array:
    """Returns correlations at distances times the square root of 5."""
    return (1 + distances + distances**2 / 3) * np.exp(-distances)


class Gaussian:
    """Predicts standardised losses from features."""

    def __init__(self, kernel: Kernel, x: Array, y: Array) -> None:
        """Conditions a process with this kernel on what was seen."""
        self.kernel, self.x, self.y = kernel, x, y
        self._lengths, self._warped = kernel.lengths, kernel.warp(x)[0] / kernel.lengths
        covariance = _matern(_distances(self._warped, self._warped))
        covariance[np.diag_indices(len(y))] += kernel.noise + JITTER
        self._factor = np.linalg.cholesky(covariance)
        self._weights = cho_solve((self._factor, True), y)
        self._variance = max(float(y @ self._weights) / len(y), 1e-12)

    def predict(self, x: Array) -> tuple[Array, Array]:
        """Returns means and standard deviations of the function, without the noise."""
        across = _matern(_distances(self.kernel.warp(x)[0] / self._lengths, self._warped))
        explained = solve_triangular(self._factor, across.T, lower=True, check_finite=False)
        left = np.maximum(1 - (explained**2).sum(axis=0), 1e-12)
        return across @ self._weights, np.sqrt(self._variance * left)

    def with_believed(self, x: Array) -> "Gaussian":
        """Returns the process as if these points had been seen, each at its predicted mean."""
        return Gaussian(self.kernel, np.vstack([self.x, x]), np.concatenate([self.y, self.predict(x)[0]]))


def fitted(x: Array, y: Array, groups: Array, warped: Array) -> Gaussian:
    """Returns the process whose lengths, warps and noise are the most likely.

    Args:
        y: standardised losses.
        groups, warped: as a `Kernel`'s.
    """
    count, warps = int(groups.max()) + 1, 2 * len(warped)
    means = np.concatenate([np.full(count, np.sqrt(2) + np.log(count) / 2), [NOISE], np.zeros(warps)])
    spreads = np.concatenate([np.full(count, LENGTH_SPREAD), [NOISE_SPREAD], np.full(warps, WARP_SPREAD)])
    start = np.concatenate([np.full(count, np.log(0.5 * np.sqrt(count))), [np.log(1e-3)], np.zeros(warps)])
    bounds = [(-4.0, 6.0)] * count + [(np.log(1e-8), np.log(2.0))] + [(-2.0, 2.0)] * warps
    loss = _loss(x, y, groups, warped, means, spreads)
    best = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    return Gaussian(Kernel(groups, warped, best.x), x, y)


def _loss(
    x: Array, y: Array, groups: Array, warped: Array, means: Array, spreads: Array
) -> Callable[[Array], tuple[float, Array]]:
    """Returns a function of the parameters: minus the logarithm of their posterior, and its gradient.

    The variance of the function is the likeliest one for each value of the others.
    """
    count, size = int(groups.max()) + 1, len(y)
    grouping = np.eye(count)[groups]

    def loss(parameters: Array) -> tuple[float, Array]:
        kernel = Kernel(groups, warped, parameters)
        features, by_a, by_b = kernel.warp(x)
        lengths = kernel.lengths
        scaled = features / lengths
        distances = _distances(scaled, scaled)
        decay = np.exp(-distances)
        covariance = (1 + distances + distances**2 / 3) * decay
        covariance[np.diag_indices(size)] += kernel.noise + JITTER
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(parameters)
        inverse = cho_solve((factor, True), np.eye(size), check_finite=False)
        weights = inverse @ y
        variance = max(float(y @ weights) / size, 1e-12)
        fit = 0.5 * size * np.log(variance) + np.log(np.diag(factor)).sum()
        by_covariance = 0.5 * (inverse - np.outer(weights, weights) / variance)
        by_squares = by_covariance * (-5 / 6) * (1 + distances) * decay  # with respect to squared distances
        pulled = by_squares.sum(axis=1)[:, None] * scaled - by_squares @ scaled
        gradient = np.concatenate(
            [-4 * (scaled * pulled).sum(axis=0) @ grouping, [kernel.noise * np.trace(by_covariance)]]
        )
        if by_a is not None:
            by_feature = 4 * (pulled / lengths)[:, warped]
            gradient = np.concatenate(
                [gradient, (by_feature * by_a).sum(axis=0), (by_feature * by_b).sum(axis=0)]
            )
        off = (parameters - means) / spreads
        return fit + 0.5 * float(off @ off), gradient + off / spreads

    return loss
