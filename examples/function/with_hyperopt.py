"""The same kind of function with the space as Hyperopt's users write it."""

import numpy as np
from hyperopt import hp
from simulation import settling_time

import mlflow_hpo

space = {
    "stiffness": hp.uniform("stiffness", 0.1, 4),
    "damping": hp.loguniform("damping", np.log(0.01), np.log(10)),
}

study = mlflow_hpo.tune(settling_time, space, max_trials=30)
print(f"at rest after {study.best_value:.2f} s with {study.best_config}")
