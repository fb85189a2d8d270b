"""`python -m mlflow_hpo`."""

from mlflow_hpo.cli import main

if __name__ == "__main__":
    main()
