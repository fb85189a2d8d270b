"""Names of the environment variables that lead a process to its run.

This imports nothing: every process that uses MLflow loads it, by way of plugin/run_context.py.
"""

RUN_ID = "MLFLOW_RUN_ID"  # set by `mlflow run`; MLflow's fluent API continues this run
EXPERIMENT_ID = "MLFLOW_EXPERIMENT_ID"
TRACKING_URI = "MLFLOW_TRACKING_URI"
TAGS = "MLFLOW_HPO_TAGS"  # ours; JSON: tags for every run that a trial's process starts
