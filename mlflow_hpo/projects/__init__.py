"""MLflow projects as the thing to tune: names one, checks it, and prepares its entry point to run."""
