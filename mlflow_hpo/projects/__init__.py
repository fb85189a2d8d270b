"""MLflow projects as what is tuned: which one, and what it takes to run its entry point over and over."""

from mlflow_hpo.projects.checks import FOREIGN, check_options
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.projects.spec import ProjectSpec, given_project

__all__ = ["FOREIGN", "Prepared", "ProjectSpec", "check_options", "given_project"]
