"""The registry: a study's best model gets in, and the alias if it is better than who has it."""

from mlflow_hpo.registry.register import Way, check_registrable, register
from mlflow_hpo.registry.versions import rollback

__all__ = ["Way", "check_registrable", "register", "rollback"]
