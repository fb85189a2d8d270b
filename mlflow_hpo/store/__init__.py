"""The study in the tracking store: the only place, with checkpoints and registry, that talks to MLflow."""

from mlflow_hpo.store.connection import Connection, filter_names, quick, store_errors
from mlflow_hpo.store.fluent import fluent_run
from mlflow_hpo.store.late_status import set_status_after
from mlflow_hpo.store.models import (
    default_store,
    download_model,
    example_of,
    flavors_of,
    load_model,
    load_native,
    signature_of,
)
from mlflow_hpo.store.names import check_registration
from mlflow_hpo.store.recorder import Recorder
from mlflow_hpo.store.run_config import config_text_of
from mlflow_hpo.store.studies import (
    LATEST,
    find_studies,
    find_study,
    find_trial,
    given_run,
    new_study,
    open_run,
)
from mlflow_hpo.store.study_run import StudyRun
from mlflow_hpo.store.trials import Trials

__all__ = [
    "LATEST",
    "Connection",
    "Recorder",
    "StudyRun",
    "Trials",
    "check_registration",
    "config_text_of",
    "default_store",
    "download_model",
    "example_of",
    "filter_names",
    "find_studies",
    "find_study",
    "find_trial",
    "flavors_of",
    "fluent_run",
    "given_run",
    "load_model",
    "load_native",
    "new_study",
    "open_run",
    "quick",
    "set_status_after",
    "signature_of",
    "store_errors",
]
