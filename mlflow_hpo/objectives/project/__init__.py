"""An MLflow project as an objective: a process for each trial."""
