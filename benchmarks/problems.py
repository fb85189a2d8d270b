"""The problems of `samplers.py`, which runs them: `python benchmarks/samplers.py --only mixed svc`.

An analytic problem knows its optimum. A real task does not: its regret is over the best loss that any
method found in the same run. A noisy problem shows its methods the noisy loss; its regret is that of the
noiseless loss of the config that they would pick, the one with the lowest loss seen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import real_tasks

from mlflow_hpo.space import Space, parse_space
from mlflow_hpo.trial import Config


@dataclass(frozen=True)
class Problem:
    """Something to minimise; `least` returns the optimum, and is None where nobody knows it."""

    name: str
    space: Space
    loss: Callable[[Config], float]
    least: Callable[[], float] | None
    noise: float = 0.0
    noisy: Callable[[Config, np.random.Generator], float] | None = None  # where noise is not merely added

    def seen(self, config: Config, rng: np.random.Generator) -> float:
        """The loss that a method is shown."""
        if self.noisy is not None:
            return self.noisy(config, rng)
        return self.loss(config) + self.noise * float(rng.normal())


BRANIN = """
rate: {type: float, low: 1e-5, high: 1.0, log: true}
x: {type: float, low: 0.0, high: 15.0}
"""


def branin_log(config: Config) -> float:
    """Branin with its first axis behind a logarithm."""
    x, y = 10 + 3 * math.log10(config["rate"]), config["x"]
    bend = y - 5.1 * x**2 / (4 * math.pi**2) + 5 * x / math.pi - 6
    return float(bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)


HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
SCALES = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


HARTMANN = "\n".join(f"x{i}: {{type: float, low: 0.0, high: 1.0}}" for i in range(6))


def hartmann6(config: Config) -> float:
    x = np.array([config[f"x{i}"] for i in range(6)])
    return -float(HEIGHTS @ np.exp(-(SCALES * (x - CENTRES) ** 2).sum(axis=1)))


LEVY = "\n".join(f"x{i}: {{type: float, low: -10.0, high: 10.0}}" for i in range(4))


def levy4(config: Config) -> float:
    """Many local minima on a bowl."""
    w = 1 + (np.array([config[f"x{i}"] for i in range(4)]) - 1) / 4
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
    ends = np.sin(np.pi * w[0]) ** 2 + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
    return float(inner + ends)


SMOOTH = """
rate: {type: float, low: 1e-5, high: 1e-1, log: true}
decay: {type: float, low: 1e-6, high: 1e-2, log: true}
momentum: {type: float, low: 0.0, high: 0.99}
dropout: {type: float, low: 0.0, high: 0.8}
warmup: {type: float, low: 0.0, high: 0.5}
smoothing: {type: float, low: 0.0, high: 0.3}
"""


def smooth6(config: Config) -> float:
    """A bowl in which the rate depends on the momentum and the decay on the dropout."""
    rate = math.log10(config["rate"]) + 2.7 - 0.8 * (0.7 - config["momentum"])
    decay = math.log10(config["decay"]) + 3.5 + 1.5 * (config["dropout"] - 0.3)
    others = (config["momentum"] - 0.7) ** 2 + 2 * (config["dropout"] - 0.3) ** 2
    rest = 1.5 * (config["warmup"] - 0.1) ** 2 + 3 * (config["smoothing"] - 0.08) ** 2
    return float(0.25 * rate**2 + 0.05 * decay**2 + others + rest)


MIXED = """
rate: {type: float, low: 1e-5, high: 1.0, log: true}
batch: {type: int, low: 8, high: 512, log: true}
units: {type: int, low: 32, high: 512, step: 32}
layers: {type: int, low: 1, high: 5}
dropout: {type: float, low: 0.0, high: 0.6}
activation: [relu, tanh, elu, sigmoid]
optimizer: [sgd, adam, rmsprop]
"""
ACTIVATIONS = {"relu": 0.0, "elu": 0.02, "tanh": 0.06, "sigmoid": 0.2}
OPTIMIZERS = {"adam": (0.0, -2.8), "rmsprop": (0.03, -3.2), "sgd": (0.05, -1.0)}  # loss, its best rate


def mixed(config: Config) -> float:
    """Like training a network: the best rate depends on optimizer and batch, dropout on depth."""
    loss, best = OPTIMIZERS[config["optimizer"]]
    rate = math.log10(config["rate"]) - best - 0.3 * math.log10(config["batch"] / 64)
    size = math.log2(config["units"] * config["layers"] / 256)
    dropout = config["dropout"] - 0.1 - 0.05 * config["layers"]
    return float(loss + ACTIVATIONS[config["activation"]] + 0.1 * rate**2 + 0.05 * size**2 + 2 * dropout**2)


CONDITIONAL = """
scale: [none, standard]
model:
  - linear: {decay: {type: float, low: 1e-6, high: 10.0, log: true}}
  - kernel:
      c: {type: float, low: 1e-3, high: 1e3, log: true}
      shape:
        - rbf: {width: {type: float, low: 1e-4, high: 10.0, log: true}}
        - poly: {degree: {type: int, low: 2, high: 6}}
  - net:
      rate: {type: float, low: 1e-5, high: 1.0, log: true}
      layers: {type: int, low: 1, high: 6}
      schedule: [constant, cosine: {warmup: {type: float, low: 0.0, high: 0.5}}]
"""


def conditional(config: Config) -> float:
    """A choice of model, each with its own hyperparameters; the best one has the narrowest basin."""
    scale = 0.0 if config["scale"] == "standard" else 0.08
    return float(scale + {"linear": _linear, "kernel": _kernel, "net": _net}[config["model"]](config))


def _linear(config: Config) -> float:
    return 0.2 + 0.01 * (math.log10(config["decay"]) + 2) ** 2


def _kernel(config: Config) -> float:
    c = math.log10(config["c"]) - 1
    if config["shape"] == "poly":
        return float(0.08 + 0.04 * (config["degree"] - 3) ** 2 + 0.03 * c**2)
    return 0.06 * (math.log10(config["width"]) + 1.5 + 0.4 * c) ** 2 + 0.05 * c**2


def _net(config: Config) -> float:
    warmup = (config["warmup"] - 0.1) ** 2 if config["schedule"] == "cosine" else 0.03
    return float(
        0.04 + warmup + 0.06 * (math.log10(config["rate"]) + 3) ** 2 + 0.01 * (config["layers"] - 3) ** 2
    )


def _problem(
    name: str, space: str, loss: Callable[[Config], float], optimum: float | None = None, noise: float = 0.0
) -> Problem:
    least = None if optimum is None else lambda: optimum
    return Problem(name, parse_space(space, name), loss, least, noise)


_ALL = (
    _problem("branin_log", BRANIN, branin_log, 0.3978873577),
    _problem("hartmann6", HARTMANN, hartmann6, -3.3223680115),
    _problem("levy4", LEVY, levy4, 0.0),
    _problem("smooth6", SMOOTH, smooth6, 0.0),
    _problem("mixed", MIXED, mixed, 0.0),
    _problem("noisy_mixed", MIXED, mixed, 0.0, noise=0.1),
    _problem("conditional", CONDITIONAL, conditional, 0.0),
    _problem("svc", real_tasks.SVC, real_tasks.svc),
    _problem("boosting", real_tasks.BOOSTING, real_tasks.boosting),
    _problem("mlp", real_tasks.MLP, real_tasks.mlp),
    _problem("pipeline", real_tasks.PIPELINE, real_tasks.pipeline),
)
PROBLEMS = {problem.name: problem for problem in _ALL}
