"""What things are called here that other libraries, and pydantic, call otherwise."""

from mlflow_hpo.vocabulary.faults import fault_clauses, fault_text
from mlflow_hpo.vocabulary.names import algorithm_hint, option_hint, scheduler_hint, setting_hint

__all__ = [
    "algorithm_hint",
    "fault_clauses",
    "fault_text",
    "option_hint",
    "scheduler_hint",
    "setting_hint",
]
