"""KerasTuner's hypermodels that return an estimator, as its SklearnTuner takes them."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

from mlflow_hpo.objectives.keras.tuner import Tuner
from mlflow_hpo.objectives.keras.tuner_space import explored, tuner_space
from mlflow_hpo.space import dump_space

FRAMEWORKS = ("keras", "tensorflow")


@dataclass(frozen=True)
class HyperEstimator:
    """Makes an estimator by a hypermodel; called with hyperparameters by their names."""

    tuner: Tuner

    def __call__(self, **config: Any) -> Any:
        """Returns the estimator that the hypermodel builds."""
        return self.tuner.made(config, None)

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        """The hyperparameters that the hypermodel asks for, with their defaults."""
        return {hp.name: hp.default for hp in reversed(self._hyperparameters)}

    @cached_property
    def space_text(self) -> str:
        """Its space, as YAML; empty if it asks for nothing."""
        space = tuner_space(self._hyperparameters)
        return dump_space(space) if space.names() else ""

    @cached_property
    def _hyperparameters(self) -> list[Any]:
        return explored(lambda hp: self.tuner.hypermodel(None).build(hp))


def is_keras_code(target: Any) -> bool:
    """Tells whether the code of a hypermodel's names Keras, so that it need not be called to know it."""
    build = target if inspect.isroutine(target) else getattr(target, "build", None)
    function: Callable[..., Any] | None = getattr(build, "__func__", build)
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    if code is None:
        return True
    return any(_is_of_keras(name, known.get(name)) for name in _names(code))


def _names(code: CodeType) -> Iterator[str]:
    yield from (*code.co_names, *code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_of_keras(name: str, value: Any) -> bool:
    module = getattr(value, "__module__", None) or getattr(value, "__name__", "")
    return name.partition(".")[0] in FRAMEWORKS or str(module).partition(".")[0] in FRAMEWORKS
