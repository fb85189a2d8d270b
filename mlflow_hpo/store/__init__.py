"""The study in the tracking store: the only place, with checkpoints and registry, that talks to MLflow."""

from mlflow_hpo.store.connection import Connection, filter_names, store_errors
from mlflow_hpo.store.fluent import fluent_run
from mlflow_hpo.store.history import Observed, Span, curve, observe, spans
from mlflow_hpo.store.late_status import set_status_after
from mlflow_hpo.store.models import default_store, flavors_of, signature_of
from mlflow_hpo.store.provenance import find_trial, record_of, tag_context
from mlflow_hpo.store.recorder import Recorder, load_model, load_native
from mlflow_hpo.store.studies import LATEST, find_studies, find_study, new_study, open_run
from mlflow_hpo.store.study_run import StudyRun
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
    "default_store",
    "filter_names",
    "find_studies",
    "find_study",
    "find_trial",
    "flavors_of",
    "fluent_run",
    "load_model",
    "load_native",
    "new_study",
    "observe",
    "open_run",
    "record_of",
    "set_status_after",
    "signature_of",
    "spans",
    "store_errors",
    "tag_context",
]
