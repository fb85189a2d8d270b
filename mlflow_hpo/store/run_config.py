"""Reads the config of any run of MLflow's, to have it tried first."""

import yaml
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space.yaml_1_2 import Dumper, Loader
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection
from mlflow_hpo.store.nested_runs import read_config


def config_text_of(connection: Connection, run_id: str) -> str:
    """Returns a run's config, as a YAML list of one: a trial's as it was tried, of other runs their params.

    Raises:
        ConfigError: there is no such run, or it has no params.
    """
    try:
        data = connection.client.get_run(run_id).data
    except MlflowException:
        raise ConfigError(f"start-from: no run {run_id!r} in {connection.uri}") from None
    if keys.NUMBER in data.tags:
        config = read_config(data.tags)
    else:
        config = {name: _value(text) for name, text in data.params.items()}
    if not config:
        raise ConfigError(f"start-from: run {run_id!r} has no params")
    return str(yaml.dump([config], Dumper=Dumper, sort_keys=False))


def _value(text: str) -> object:
    """Returns a param as what it was: numbers, booleans and lists are written like YAML's."""
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError):  # ValueError: a date that does not exist
        return text
