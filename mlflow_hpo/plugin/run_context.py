"""Tags every run that a trial's process makes with the study and the trial: MLflow's run-context provider.

Each process that uses MLflow loads this, so it imports next to nothing.
"""

import os
import sys

from mlflow.tracking.context.abstract_context import RunContextProvider

from mlflow_hpo.plugin.early import refuse_config

TAGS = {  # environment variable -> tag; store/keys.py names them for everything else
    "MLFLOW_HPO_STUDY_RUN": "mlflow_hpo.study_run",
    "MLFLOW_HPO_TRIAL_RUN": "mlflow_hpo.trial_run",
    "MLFLOW_HPO_TRIAL": "mlflow_hpo.trial",
}


class TrialContext(RunContextProvider):
    """In context within a trial's process, and every process below it."""

    def in_context(self) -> bool:
        """Whether this process is a trial's."""
        return any(name in os.environ for name in TAGS)

    def tags(self) -> dict[str, str]:
        """The study's and the trial's run ids, and the trial's number."""
        return {tag: os.environ[name] for name, tag in TAGS.items() if name in os.environ}


refuse_config(sys.argv)  # this is loaded before MLflow reads the command line, and the backend is not
