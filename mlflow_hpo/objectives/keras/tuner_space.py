"""Makes a space of KerasTuner's hyperparameters: finds them all, and on which branches each exists."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from mlflow_hpo.errors import HpoError
from mlflow_hpo.space import Choice, Fixed, Float, Int, Option, Parameter, Space

MOST_BUILDS = 64  # of a model, to find the hyperparameters that exist on some branches only
MOST_OPTIONS = 64  # of a range that has to become a choice

Found = list[Any]  # KerasTuner's HyperParameter objects, parents before what hangs on them
Values = dict[str, Any]


def explored(show: Callable[[Any], None]) -> Found:
    """Returns every hyperparameter that the user's code asks for, on any branch.

    Starting from the defaults, each option of each choice and both ends of each range are tried once, with
    the values under which it was first met, until nothing new is met. A branch on which the code fails has
    what it asked for until then: such a config fails its trial, too.

    Args:
        show: lets the user's code ask a `HyperParameters` object for its values.

    Raises:
        Exception: what the code raises with the defaults.
        HpoError: what it raises on any branch.
    """
    from keras_tuner import HyperParameters

    found: dict[str, Any] = {}
    waiting: list[Values] = [{}]
    tried = 0
    while waiting and tried < MOST_BUILDS:
        hp = HyperParameters()
        hp.values = waiting.pop(0)
        with nullcontext() if tried == 0 else _given_up():
            show(hp)
        tried += 1
        for met in hp.space:
            if _identity(met) not in found:
                found[_identity(met)] = met
                parents = {c.name: c.values[0] for c in met.conditions}
                waiting += [{**hp.values, **parents, met.name: value} for value in _ends(met)]
        for scope in hp.inactive_scopes:
            under = {c.name: c.values[0] for c in scope}
            if str(under) not in found:
                found[str(under)] = None
                waiting.append({**hp.values, **under})
    return [met for met in found.values() if met is not None]


@contextmanager
def _given_up() -> Iterator[None]:
    """Lets a branch fail: a trial that takes it will."""
    try:
        yield
    except HpoError:
        raise
    except Exception:
        return


def _identity(hp: Any) -> str:
    return f"{hp.name} {[c.get_config() for c in hp.conditions]}"


def _ends(hp: Any) -> list[Any]:
    """Returns the values that are tried besides its default."""
    kind = type(hp).__name__
    if kind == "Choice":
        options = list(hp.values)
    elif kind == "Boolean":
        options = [False, True]
    else:
        options = [hp.min_value, hp.max_value] if kind == "Int" else []
    return [value for value in options if value != hp.default]


def tuner_space(
    found: Found, chosen: Mapping[str, Any] | None = None, placed: frozenset[str] = frozenset()
) -> Space:
    """Returns the space; hyperparameters with conditions become part of their parent's options.

    Args:
        chosen: the options that were taken above, by name.
        placed: the names that stand above.
    """
    chosen = chosen or {}
    here = {hp.name: hp for hp in found if hp.name not in placed and _belongs(hp, chosen)}
    names = placed | set(here)
    parents = {c.name for hp in found for c in hp.conditions}
    parameters = {
        name: _branching(hp, found, chosen, names) if name in parents else _parameter(hp)
        for name, hp in here.items()
    }
    return Space(parameters)


def _belongs(hp: Any, chosen: Mapping[str, Any]) -> bool:
    """Tells whether it exists under these options; of its conditions the innermost must be decided by now."""
    known = [c for c in hp.conditions if c.name in chosen]
    innermost = not hp.conditions or hp.conditions[-1].name in chosen
    return innermost and all(chosen[c.name] in c.values for c in known)


def _branching(hp: Any, found: Found, chosen: Mapping[str, Any], names: frozenset[str]) -> Parameter:
    options = []
    for value in _values(hp):
        below = tuner_space(found, {**chosen, hp.name: value}, names)
        options.append(Option(value, below if below.parameters else None))
    return Choice(tuple(options)) if options else _parameter(hp)


def _values(hp: Any) -> Sequence[Any]:
    """Returns every value that it can take; empty if they cannot be listed."""
    kind = type(hp).__name__
    if kind == "Choice":
        return list(hp.values)
    if kind == "Boolean":
        return [hp.default, not hp.default]
    if kind == "Fixed":
        return [hp.value]
    if hp.step is None and kind == "Float":
        return []
    listed = list(_steps(hp))
    return listed if len(listed) <= MOST_OPTIONS else []


def _steps(hp: Any) -> Iterator[Any]:
    """Yields the values of a range with steps, which are factors if its sampling is logarithmic."""
    value = hp.min_value
    step = hp.step or 1
    while value <= hp.max_value and (hp.sampling != "log" or step > 1 or type(hp).__name__ == "Int"):
        yield value
        value = value * step if hp.sampling == "log" and hp.step and step > 1 else value + step


def _parameter(hp: Any) -> Parameter:
    kind = type(hp).__name__
    if kind == "Fixed":
        return Fixed(hp.value)
    if kind in ("Choice", "Boolean"):
        options = tuple(Option(value) for value in _values(hp))
        return Choice(options) if len(options) > 1 else Fixed(hp.default)
    if hp.min_value == hp.max_value:
        return Fixed(hp.min_value)
    return _range(hp)


def _range(hp: Any) -> Parameter:
    log = hp.sampling == "log"  # "reverse_log" has the same values; it is drawn evenly here
    whole = type(hp).__name__ == "Int"
    if log and hp.step and hp.step > 1:  # factors
        return Choice(tuple(Option(value) for value in _steps(hp)))
    if whole:
        step = int(hp.step or 1)
        if step > hp.max_value - hp.min_value:
            return Fixed(hp.min_value)
        return Int(low=hp.min_value, high=hp.max_value, step=1 if log else step, log=log)
    steps = float(hp.step) if hp.step and not log else None
    return Float(low=float(hp.min_value), high=float(hp.max_value), log=log, step=steps)
