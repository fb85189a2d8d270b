"""Ray Tune's search space, known by its classes' names: Ray itself is not imported."""

from typing import Any

from mlflow_hpo.space.plain import Plain, multiples, number, plain, refused

KNOWN = "uniform, loguniform, quniform, randint, lograndint, qrandint, choice and grid_search"


def is_ray(value: Any) -> bool:
    """Whether it is one of Ray Tune's domains, or what `tune.grid_search` gives."""
    return type(value).__module__.startswith("ray.tune.") or (
        isinstance(value, dict) and list(value) == ["grid_search"]
    )


def from_ray(name: str, value: Any) -> Plain:
    """The domain as plain data; the values of a grid search are a choice.

    Raises:
        SpaceError: it is unbounded, a function, or has steps on a log scale.
    """
    if isinstance(value, dict):
        return plain(value["grid_search"])
    kind = type(value).__name__
    if kind == "Categorical":
        return plain(value.categories)
    sampler = value.sampler
    q = getattr(sampler, "q", None)
    inner = type(getattr(sampler, "sampler", sampler)).__name__.strip("_")
    if kind not in ("Float", "Integer") or inner not in ("Uniform", "LogUniform"):
        what = "function" if kind == "Function" else inner.lower()
        raise refused(name, f"Ray Tune's {what} has no place in a space:", f"known are {KNOWN}")
    if kind == "Integer":
        return _integer(name, value.lower, value.upper, q, log=inner == "LogUniform")
    if q is None:
        return number("float", value.lower, value.upper, log=inner == "LogUniform")
    if inner == "LogUniform":
        raise refused(name, "Ray Tune's qloguniform has steps on a log scale:", "take loguniform")
    return multiples(value.lower, value.upper, q, "float")


def _integer(name: str, low: Any, high: Any, q: Any, log: bool) -> Plain:
    """The upper end is exclusive where there is no step."""
    if q in (None, 1):
        return number("int", low, high - 1, log=log)
    if log:
        raise refused(name, "Ray Tune's qlograndint has steps on a log scale:", "take lograndint")
    return number("int", -(-low // q) * q, high // q * q, step=q)
