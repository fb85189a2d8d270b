"""Tells, in a worker of a host, whether a study can run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.hardware import host_name
from mlflow_hpo.worker.startup import own_errors

if TYPE_CHECKING:
    from mlflow_hpo.objectives.spec import ObjectiveSpec


@own_errors()
def check_host(spec: ObjectiveSpec, uri: str, experiment_id: str) -> None:
    """Checks that this host has the model's file and the data, and reaches the store.

    Raises:
        ConfigError: it does not have them.
        StoreError: it does not reach the store.
    """
    from mlflow_hpo.data import check_data
    from mlflow_hpo.store.reach import check_reached
    from mlflow_hpo.user_code import check_reference, is_reference

    try:
        if not spec.code and is_reference(spec.model):
            check_reference(spec.model, "model")
        check_data(spec.data)
    except ConfigError as error:
        raise ConfigError(
            f"host {host_name()}: {error}; hosts are sent what lies below the working folder, "
            "and share the rest"
        ) from None
    check_reached(uri, experiment_id)
