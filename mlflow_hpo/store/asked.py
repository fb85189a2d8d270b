"""Reads from a trial's run what its objective asked for: its worker wrote that."""

from dataclasses import replace

from mlflow_hpo.space import asked_config
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import whole_text
from mlflow_hpo.store.nested_runs import NestedRuns, config_tags
from mlflow_hpo.trial import Trial


def settled(nested: NestedRuns, trial: Trial) -> Trial:
    """Makes what a trial's objective asked for its config, in place of what was proposed to it."""
    tags = nested.connection.client.get_run(trial.run_id).data.tags
    asked = whole_text(keys.ASKED, tags)
    config = asked_config(asked)
    if not asked or config == trial.config:
        return replace(trial, asked=asked)
    blank = {key: "" for key in tags if key.startswith(f"{keys.CONFIG}.")}  # of a longer one
    with nested.writing(trial.run_id):
        nested.connection.write(trial.run_id, tags=blank | config_tags(config))
    return replace(trial, config=config, asked=asked)
