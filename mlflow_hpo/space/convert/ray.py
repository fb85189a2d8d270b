"""Converts Ray Tune's domains; they are recognised by their classes' names, without importing Ray."""

from typing import Any

from mlflow_hpo.space.plain import Plain, multiples, number, refused

TAKEN = "uniform, loguniform, quniform, randint, lograndint, qrandint, randn, qrandn, choice and grid_search"


def is_ray(value: Any) -> bool:
    """Returns whether it is one of Ray Tune's domains, or a result of `tune.grid_search`."""
    return type(value).__module__.startswith("ray.tune.") or (
        isinstance(value, dict) and list(value) == ["grid_search"]
    )


def from_ray(name: str, value: Any) -> Plain:
    """Returns the domain as plain data; the values of a grid search become a choice.

    Raises:
        SpaceError: it is unbounded, a function, or has steps on a log scale.
    """
    if isinstance(value, dict):
        return list(value["grid_search"])
    kind = type(value).__name__
    if kind == "Categorical":
        return list(value.categories)
    sampler = value.sampler
    q = getattr(sampler, "q", None)
    distribution = type(getattr(sampler, "sampler", sampler)).__name__.strip("_")
    if kind == "Float" and distribution == "Normal":
        prior = {"type": "normal", "mean": float(sampler.mean), "std": float(sampler.sd)}
        return prior | ({"step": float(q)} if q else {})
    if kind not in ("Float", "Integer") or distribution not in ("Uniform", "LogUniform"):
        what = "function" if kind == "Function" else distribution.lower()
        raise refused(name, f"Ray Tune's {what} has no place in a space:", f"known are {TAKEN}")
    log = distribution == "LogUniform"
    if kind == "Integer":
        return _integer(name, value.lower, value.upper, q, log=log)
    if q is None:
        return number("float", value.lower, value.upper, log=log)
    if log:
        raise refused(name, "Ray Tune's qloguniform has steps on a log scale:", "take loguniform")
    return multiples(value.lower, value.upper, q, "float")


def _integer(name: str, low: Any, high: Any, q: Any, log: bool) -> Plain:
    """Returns a range of whole numbers; Ray's upper end is exclusive unless there is a step."""
    if q in (None, 1):
        return number("int", low, high - 1, log=log)
    if log:
        raise refused(name, "Ray Tune's qlograndint has steps on a log scale:", "take lograndint")
    return number("int", -(-low // q) * q, high // q * q, step=q)
