"""A changed config for a copy of a trial (Jaderberg et al. 2017, "Population Based Training")."""

from collections.abc import Collection
from typing import Any

import numpy as np

from mlflow_hpo.space import Choice, Searched, Space, broken
from mlflow_hpo.trial import Config

RESAMPLED = 0.25  # of the hyperparameters are drawn anew
ATTEMPTS = 100  # to keep to the constraints
FACTORS = (0.8, 1.2)  # the others are multiplied by one of these; numbers on a grid and options move by one


def explore(space: Space, config: Config, names: Collection[str], number: int, seed: int) -> dict[str, Any]:
    """Returns the config with the named hyperparameters changed; a pure function of its arguments.

    If no change keeps to the space's constraints, it stays as it is.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, number, 1]))
    tried = (_explored(space, config, names, rng) for _ in range(ATTEMPTS))
    return next((changed for changed in tried if not broken(space, changed)), dict(config))


def _explored(
    space: Space, config: Config, names: Collection[str], rng: np.random.Generator
) -> dict[str, Any]:
    changed = dict(config)
    for name, parameter in space.searched(config):
        raw = parameter.encode(config[name])
        if name in names and raw is not None and not _leads_on(parameter):
            changed[name] = parameter.decode(_changed(parameter, raw, rng))
    return changed


def _leads_on(parameter: Searched) -> bool:
    """Tells whether a choice has hyperparameters below its options: another option would need others."""
    return isinstance(parameter, Choice) and any(option.space for option in parameter.options)


def _changed(parameter: Searched, raw: Any, rng: np.random.Generator) -> Any:
    if rng.random() < RESAMPLED:
        return parameter.from_unit(rng.random())
    up = int(rng.integers(2))
    ends = (0, len(parameter.options) - 1) if isinstance(parameter, Choice) else parameter.whole
    if ends is None:
        return raw * FACTORS[up]
    return min(max(raw + 2 * up - 1, ends[0]), ends[1])
