"""Loads the model that is to be registered once in a fresh process, while it is scored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlflow_hpo.errors import Interrupted
from mlflow_hpo.execution.signals import result_of
from mlflow_hpo.registry.testing import Challenger
from mlflow_hpo.worker.dispatch import Dispatcher
from mlflow_hpo.worker.loading import can_be_tried, failure_line, fresh_process, submit_load


@contextmanager
def loaded_once(dispatcher: Dispatcher, challenger: Challenger, keeps: bool) -> Iterator[Callable[[], str]]:
    """Begins to load a model, unless that was done before; gives a function that waits for how it went.

    The function returns the line that says why the model cannot be loaded; empty if it can, or nobody knows.

    Args:
        keeps: record with the study how it went.
    """
    run, uri = dispatcher.run, challenger.model_uri
    if uri in run.loads or not can_be_tried(dispatcher.spec):
        yield lambda: run.loads.get(uri, "")
        return
    with fresh_process(dispatcher.spec) as process:
        loading = submit_load(process, uri, run.connection.uri)

        def failure() -> str:
            try:
                line = failure_line(challenger.trial, result_of(loading))
            except Interrupted:
                raise
            except Exception:  # it cannot be told
                return ""
            if keeps:
                run.keep_load(uri, line)
            return line

        yield failure
