"""Finds the metrics that trials are judged by beside the first, as reported or as the run has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mlflow_hpo.errors import SetupError

if TYPE_CHECKING:
    from mlflow_hpo.objectives.progress import Progress
    from mlflow_hpo.store import Recorder

Values = dict[str, dict[int, float]]


def other_metrics(
    names: Sequence[str], epochs: Iterable[int], progress: Progress, recorder: Recorder, is_first: bool
) -> Values:
    """Returns the values of metrics where the first one has one: name -> epochs -> value.

    A metric that was reported is taken at the epoch that counts. One that was not, as what a model costs, is
    the last value that was logged.

    Args:
        epochs: where the first metric has a value.
        is_first: it is the trial's first unit, by which a metric must have been logged.

    Raises:
        SetupError: there is no such metric.
    """
    epochs = [*epochs]
    told = {name: progress.beside(name, epochs) for name in names}
    missing = [name for name, values in told.items() if values is None]
    logged = recorder.logged(missing) if missing else {}
    if is_first and (absent := next((name for name in missing if name not in logged), None)):
        reported = ", ".join(sorted({name for values in progress.reported.values() for name in values}))
        raise SetupError(f"no metric {absent!r} was logged, which trials are judged by: {reported} were")
    sources = {epoch: progress.sources.get(epoch, epoch) for epoch in epochs}
    found = {name: values for name, values in told.items() if values is not None}
    for name, values in found.items():
        if sources.keys() - values:  # the epoch that counts was one of an earlier unit
            history = recorder.history(name)
            values |= {e: history[at] for e, at in sources.items() if e not in values and at in history}
    return found | {name: dict.fromkeys(epochs, value) for name, value in logged.items()}
