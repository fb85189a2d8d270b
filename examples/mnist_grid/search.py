"""The same search from Python, with the dict of lists that RandomizedSearchCV took."""

from model import create_model

import mlflow_hpo

grid = {
    "hidden_layer_one": [256, 512, 784],
    "hidden_layer_two": [128, 256, 512],
    "lr_rate": [1e-2, 1e-3, 1e-4],
    "dropout": [0.3, 0.4, 0.5],
    "batch_size": [32, 64, 128],
    "epochs": [10, 20, 30, 40],
}

study = mlflow_hpo.tune(create_model, grid, "mnist", algorithm="random", max_trials=10)

print(f"best score is {study.best_value:.4f} using {study.best_config}")
print(study.trials_dataframe().head(3).to_string())
best_model = study.best_model()  # a Keras model
