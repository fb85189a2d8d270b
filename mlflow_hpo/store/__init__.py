"""The study in the tracking store: the only place, with checkpoints and registry, that talks to MLflow."""

from mlflow_hpo.store.afterwards import set_killed_after
from mlflow_hpo.store.connection import Connection, store_errors
from mlflow_hpo.store.fluent import fluent_run
from mlflow_hpo.store.observed import Observed, Span, curve, observe, spans
from mlflow_hpo.store.recorder import Recorder, load_model, load_native
from mlflow_hpo.store.studies import LATEST, StudyRun, earlier_trials, find_study, new_study, open_run
from mlflow_hpo.store.trials import Trials

__all__ = [
    "LATEST",
    "Connection",
    "Observed",
    "Recorder",
    "Span",
    "StudyRun",
    "Trials",
    "curve",
    "earlier_trials",
    "find_study",
    "fluent_run",
    "load_model",
    "load_native",
    "new_study",
    "observe",
    "open_run",
    "set_killed_after",
    "spans",
    "store_errors",
]
