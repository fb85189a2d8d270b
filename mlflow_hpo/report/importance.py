"""Tells which hyperparameters matter: permutation importance on random forests, with intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mlflow_hpo.algorithms import observed_at, standing
from mlflow_hpo.report.hyperparameters import Column, columns
from mlflow_hpo.report.snapshot import StudySnapshot

FEWEST = 15  # trials below which nothing can be told
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
        missing: why nothing can be told; empty if it can.
        titles, labels: the hyperparameters, the most important first.
        means, lows, highs: by how much R² falls: the mean and the interval over the splits.
        fit: R² on trials that the forests have not seen, the mean over the splits.
        trials: the number of trials.
        epochs: the trials are ranked by their values after so many epochs.
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
        inputs: (trials, inputs): the place of each value in its range, -1 if it is not active; a choice has
            an input for each option that is shown.
        places: the share of trials that are better, from 0 to 1.
        groups: the inputs of each hyperparameter, by label.
    """

    inputs: Array
    places: Array
    groups: Mapping[str, list[int]]
    numbers: tuple[int, ...]


@lru_cache(maxsize=1)
def importance(snapshot: StudySnapshot) -> Importance:
    """Returns the permutation importance (Breiman 2001) on held-out trials.

    What is predicted is a trial's place in the ranking, not its value, so that a few that diverged do not
    decide. Trials that were stopped early come after those at the rung that the algorithm looks at.
    """
    trials = table(snapshot)
    n = len(trials.places)
    if n < FEWEST:
        return Importance(f"too few trials to tell: {n} have results, and it takes {FEWEST}")
    varied = [c for c in columns(snapshot) if len(set(c.parts.values())) > 1]
    if not varied:
        return Importance("no hyperparameter was varied: there is nothing to compare")
    fits, falls = _falls(trials, [c.label for c in varied])
    fit = float(np.mean(fits))
    if fit < LEAST_FIT:
        return Importance(
            f"it cannot be told: random forests on {n} trials predict the others no better than a guess "
            f"(R² {fit:.2f})",
            fit=fit,
        )
    return _sorted(varied, falls, fit, n, observed_at(snapshot.trials) or 0)


def table(snapshot: StudySnapshot) -> Table:
    """Returns the trials that ended and did not fail, at most `MOST` of them, as numbers."""
    places = standing(snapshot.trials)
    ended = sorted(places)
    ranks = np.argsort(np.argsort([places[n] for n in ended], kind="stable"), kind="stable")
    share = ranks / max(len(ended) - 1, 1)
    kept = [i * len(ended) // min(len(ended), MOST) for i in range(min(len(ended), MOST))]
    numbers = tuple(ended[i] for i in kept)
    inputs, groups = list[Array](), dict[str, list[int]]()
    for column in columns(snapshot):
        first = len(inputs)
        inputs += _inputs(column, numbers)
        groups[column.label] = list(range(first, len(inputs)))
    matrix = np.stack(inputs, axis=1) if inputs else np.zeros((len(numbers), 0))
    return Table(matrix, share[kept], groups, numbers)


def encoded(column: Column, part: float) -> list[float]:
    """Returns the inputs for one value of a hyperparameter, given its place in the range."""
    if not column.is_choice:
        return [part]
    taken = column.parameter.from_unit(part)
    return [float(index == taken) for index in column.shown]


def forest(trials: Table, rows: Rows | None = None, seed: int = SEED) -> Any:
    """Fits a random forest that predicts a trial's place."""
    from sklearn.ensemble import RandomForestRegressor

    rows = np.arange(len(trials.places)) if rows is None else rows
    model = RandomForestRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=1)
    return model.fit(trials.inputs[rows], trials.places[rows])


def _inputs(column: Column, numbers: Sequence[int]) -> Iterator[Array]:
    width = len(column.shown) or 1
    absent = [0.0] * width if column.is_choice else [-1.0]
    rows = [encoded(column, column.parts[n]) if n in column.parts else absent for n in numbers]
    yield from np.array(rows, dtype=float).reshape(len(numbers), width).T


def _falls(trials: Table, labels: Sequence[str]) -> tuple[list[float], Array]:
    """Returns R² of each split, and by how much it falls for each hyperparameter: (splits, labels)."""
    random = np.random.default_rng(SEED)
    fits, falls = list[float](), list[list[float]]()
    n = len(trials.places)
    for split in range(SPLITS):
        order = random.permutation(n)
        test, rest = order[: max(int(TESTED * n), 2)], order[max(int(TESTED * n), 2) :]
        model = forest(trials, rest, split)
        whole, shuffled = _scores(model, trials, test, [trials.groups[k] for k in labels], random)
        fits.append(whole)
        falls.append([whole - score for score in shuffled])
    return fits, np.array(falls)


def _scores(
    model: Any, trials: Table, test: Rows, groups: Sequence[list[int]], random: np.random.Generator
) -> tuple[float, list[float]]:
    """Returns R² on the test, and with each group of inputs shuffled: in one call, as each costs much."""
    inputs, places = trials.inputs[test], trials.places[test]
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


def _sorted(varied: Sequence[Column], falls: Array, fit: float, trials: int, epochs: int) -> Importance:
    means, (lows, highs) = falls.mean(axis=0), np.percentile(falls, INTERVAL, axis=0)
    order = sorted(range(len(varied)), key=lambda i: (-means[i], i))
    return Importance(
        titles=tuple(varied[i].title for i in order),
        labels=tuple(varied[i].label for i in order),
        means=tuple(float(means[i]) for i in order),
        lows=tuple(float(lows[i]) for i in order),
        highs=tuple(float(highs[i]) for i in order),
        fit=fit,
        trials=trials,
        epochs=epochs,
    )
