"""Hyperparameter tuning bolted onto MLflow."""

__version__ = "0.1.0"
