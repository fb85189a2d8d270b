"""Rows as they were found, into inputs that can be trained on and classes or values."""

from mlflow_hpo.data.base import Found, Part
from mlflow_hpo.data.clean_inputs import alike, inputs
from mlflow_hpo.data.clean_targets import numbered, targets
from mlflow_hpo.errors import DataError


def cleaned(found: Found, task: str) -> tuple[dict[str, Part], tuple[str, ...], int]:
    """The parts, the names of the classes and how many there are.

    Raises:
        DataError: inputs or targets are not such as can be trained on.
    """
    xs = {name: inputs(rows.x, name) for name, rows in found.parts.items()}
    ys = {name: targets(rows.y, name) for name, rows in found.parts.items()}
    for name, x in xs.items():
        xs[name] = alike(xs["train"], x, name)
        if len(x) != len(ys[name]):
            raise DataError(f"{name} part: x has {len(x)} rows and y has {len(ys[name])}")
        if not len(x):
            raise DataError(f"{name} part: there are no rows")
    numbers, labels, classes = numbered(list(ys.values()), task)
    return {name: Part(xs[name], y) for name, y in zip(xs, numbers, strict=True)}, labels, classes
