"""Registers a study's best model; moves the alias to it if it beats the version that holds it."""

from mlflow_hpo.registry.alias import rollback
from mlflow_hpo.registry.extra_runs import train_final
from mlflow_hpo.registry.register import RegistrationRequest, check_registrable, register

__all__ = ["RegistrationRequest", "check_registrable", "register", "rollback", "train_final"]
