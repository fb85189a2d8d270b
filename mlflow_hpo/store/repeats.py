"""Passes over what a store says to a request that it has done: MLflow repeats one without an answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

MISSING = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


@contextmanager
def repeated(is_done: Callable[[], bool]) -> Iterator[None]:
    """Passes over an error of the store's in the block if what was asked for is done all the same."""
    try:
        yield
    except MlflowException:
        if not is_done():
            raise


@contextmanager
def deleting() -> Iterator[None]:
    """Passes over that what is to be deleted in the block is not there any more."""
    try:
        yield
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
