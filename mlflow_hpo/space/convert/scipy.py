"""Converts frozen distributions of scipy.stats, as scikit-learn's randomised search takes them."""

import math
from typing import Any

from mlflow_hpo.space.plain import Plain, number, plain, refused, short

ONE_STD = 0.8413447460685429  # the probability below one standard deviation above the mean
TAKEN = "uniform, loguniform (reciprocal), randint, norm and lognorm"


def is_scipy(value: Any) -> bool:
    """Returns whether it is a distribution of scipy.stats, frozen or not."""
    return type(value).__module__.startswith("scipy.stats.")


def from_scipy(name: str, value: Any) -> Plain:
    """Returns the distribution as plain data.

    Raises:
        SpaceError: it is none of uniform, loguniform and randint.
    """
    kind = getattr(getattr(value, "dist", None), "name", type(value).__name__)
    if kind == "randint":
        return number("int", *(int(end) for end in value.support()))
    if kind in ("norm", "lognorm"):
        return _normal(name, value, log=kind == "lognorm")
    if kind not in ("uniform", "loguniform", "reciprocal"):
        raise refused(name, f"scipy's {kind} has no place in a space:", f"known are {TAKEN}")
    low, high = (short(plain(end)) for end in value.support())
    log = kind != "uniform"
    if log and not math.isclose(value.median(), math.sqrt(low * high)):
        raise refused(name, f"scipy's {kind} is shifted by loc,", "as no range of a space is: leave it out")
    return number("float", low, high, log=log)


def _normal(name: str, value: Any, log: bool) -> Plain:
    """Returns the prior: of a lognormal one, median and quantile tell the logarithm's mean and deviation."""
    if not log:
        return {"type": "normal", "mean": float(value.mean()), "std": float(value.std())}
    mean, one = math.log(value.median()), math.log(value.ppf(ONE_STD))
    if value.support()[0] != 0:
        raise refused(name, "scipy's lognorm is shifted by loc,", "as no prior of a space is: leave it out")
    return {"type": "normal", "mean": short(mean), "std": short(one - mean), "log": True}
