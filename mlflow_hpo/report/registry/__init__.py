"""The registry: a study's best model gets in, and the alias if it is better than who has it."""

from mlflow_hpo.report.registry.register import Way, check_registrable, register
from mlflow_hpo.report.registry.versions import Registered, rollback

__all__ = ["Registered", "Way", "check_registrable", "register", "rollback"]
