"""Which hyperparameters matter: permutation importance on random forests, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mlflow_hpo.algorithms import observed_at, standing
from mlflow_hpo.report.hyperparameters import Column, columns
from mlflow_hpo.report.snapshot import StudySnapshot

FEWEST = 15  # trials below which nothing is said
MOST = 600  # trials that are looked at: more would say little more, and take long
SPLITS, TREES, SHUFFLES, SEED = 10, 50, 5, 0
TESTED = 0.3  # part of the trials that a forest is tested on
LEAST_FIT = 0.05  # R² on trials that the forests have not seen, below which they have learnt nothing
INTERVAL = (10, 90)  # percentiles over the splits

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Importance:
    """How much worse a forest predicts unseen trials when one hyperparameter is shuffled.

    Attributes:
        missing: why nothing can be told; empty where it can.
        titles, labels: of the hyperparameters, the most important first.
        means, lows, highs: by how much R² falls: over the splits, the mean and the interval.
        fit: R² on trials that the forests have not seen, over the splits.
        trials: how many were looked at.
        epochs: whose values the trials are ranked by.
    """

    missing: str = ""
    titles: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    fit: float = 0.0
    trials: int = 0
    epochs: int = 0


@dataclass(frozen=True)
class Table:
    """Trials as numbers.

    Attributes:
        inputs: (trials, inputs): where each value lies in its range, -1 where it is not active; an input
            for each option of a choice.
        places: the share of trials that are better, from 0 to 1.
        groups: the inputs of each hyperparameter, by label.
    """

    inputs: Array
    places: Array
    groups: Mapping[str, list[int]]
    numbers: tuple[int, ...]


@lru_cache(maxsize=1)
def importance(snapshot: StudySnapshot) -> Importance:
    """Permutation importance (Breiman 2001) on held-out trials.

    What is predicted is a trial's place in the ranking, not its value, so that a few that diverged do not
    decide. Trials that were stopped early come after those at the rung that the algorithm looks at.
    """
    found, shown = table(snapshot), columns(snapshot)
    if len(found.places) < FEWEST:
        n = len(found.places)
        return Importance(f"too few trials to tell: {n} have results, and it takes {FEWEST}")
    varied = [c for c in shown if len(set(c.parts.values())) > 1]
    if not varied:
        return Importance("no hyperparameter was varied: there is nothing to compare")
    fits, falls = _falls(found, [c.label for c in varied])
    fit, n = float(np.mean(fits)), len(found.places)
    if fit < LEAST_FIT:
        return Importance(
            f"it cannot be told: random forests on {n} trials predict the others no better than a guess "
            f"(R² {fit:.2f})",
            fit=fit,
        )
    return _sorted(varied, falls, fit, n, observed_at(snapshot.trials) or 0)


def table(snapshot: StudySnapshot) -> Table:
    """The trials that ended and did not fail, at most `MOST` of them, as numbers."""
    places = standing(snapshot.trials)
    known = sorted(places)
    ranks = np.argsort(np.argsort([places[n] for n in known], kind="stable"), kind="stable")
    share = ranks / max(len(known) - 1, 1)
    kept = [i * len(known) // min(len(known), MOST) for i in range(min(len(known), MOST))]
    numbers = tuple(known[i] for i in kept)
    shown, inputs, groups = columns(snapshot), list[Array](), dict[str, list[int]]()
    for column in shown:
        own = list(_inputs(column, numbers))
        groups[column.label] = list(range(len(inputs), len(inputs) + len(own)))
        inputs += own
    matrix = np.stack(inputs, axis=1) if inputs else np.zeros((len(numbers), 0))
    return Table(matrix, share[kept], groups, numbers)


def encoded(column: Column, part: float) -> list[float]:
    """The inputs for one value of a hyperparameter, given where it lies in its range."""
    if not column.is_choice:
        return [part]
    n = len(column.options)
    return [float(i == min(int(part * n), n - 1)) for i in range(n)]


def forest(found: Table, rows: Rows | None = None, seed: int = SEED) -> Any:
    """A random forest that predicts a trial's place."""
    from sklearn.ensemble import RandomForestRegressor

    rows = np.arange(len(found.places)) if rows is None else rows
    model = RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=1)
    return model.fit(found.inputs[rows], found.places[rows])


def _inputs(column: Column, numbers: Sequence[int]) -> Iterator[Array]:
    width = len(column.options) or 1
    absent = [0.0] * width if column.is_choice else [-1.0]
    rows = [encoded(column, column.parts[n]) if n in column.parts else absent for n in numbers]
    yield from np.array(rows, dtype=float).reshape(len(numbers), width).T


def _falls(found: Table, labels: Sequence[str]) -> tuple[list[float], Array]:
    """R² of each split, and by how much it falls for each hyperparameter: (splits, labels)."""
    random = np.random.default_rng(SEED)
    fits, falls = list[float](), list[list[float]]()
    n = len(found.places)
    for split in range(SPLITS):
        order = random.permutation(n)
        test, rest = order[: max(int(TESTED * n), 2)], order[max(int(TESTED * n), 2) :]
        model = forest(found, rest, split)
        whole, shuffled = _scores(model, found, test, [found.groups[k] for k in labels], random)
        fits.append(whole)
        falls.append([whole - score for score in shuffled])
    return fits, np.array(falls)


def _scores(
    model: Any, found: Table, test: Rows, groups: Sequence[list[int]], random: np.random.Generator
) -> tuple[float, list[float]]:
    """R² on the trials of the test, and with each group of inputs shuffled; one call, as each costs much."""
    inputs, places = found.inputs[test], found.places[test]
    copies = [inputs, *(_shuffled(inputs, group, random) for group in groups for _ in range(SHUFFLES))]
    predicted = model.predict(np.concatenate(copies)).reshape(len(copies), len(test))
    whole, *scores = (_r2(p, places) for p in predicted)
    return whole, [float(np.mean(scores[i : i + SHUFFLES])) for i in range(0, len(scores), SHUFFLES)]


def _shuffled(inputs: Array, group: list[int], random: np.random.Generator) -> Array:
    copy = inputs.copy()
    copy[:, group] = inputs[random.permutation(len(inputs))][:, group]
    return copy


def _r2(predicted: Array, places: Array) -> float:
    spread = float(np.sum((places - places.mean()) ** 2))
    return 1 - float(np.sum((places - predicted) ** 2)) / max(spread, 1e-12)


def _sorted(shown: Sequence[Column], falls: Array, fit: float, trials: int, epochs: int) -> Importance:
    means, (lows, highs) = falls.mean(axis=0), np.percentile(falls, INTERVAL, axis=0)
    order = sorted(range(len(shown)), key=lambda i: (-means[i], i))
    return Importance(
        titles=tuple(shown[i].title for i in order),
        labels=tuple(shown[i].label for i in order),
        means=tuple(float(means[i]) for i in order),
        lows=tuple(float(lows[i]) for i in order),
        highs=tuple(float(highs[i]) for i in order),
        fit=fit,
        trials=trials,
        epochs=epochs,
    )
