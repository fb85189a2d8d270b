"""Small real training tasks for `problems.py`, on scikit-learn's bundled data; each repeats exactly.

Run by `python benchmarks/samplers.py --only svc boosting mlp pipeline`.
"""

import warnings
from functools import cache
from typing import Any

import numpy as np
from sklearn import datasets, svm
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from mlflow_hpo.trial import Config

warnings.simplefilter("ignore", ConvergenceWarning)


@cache
def _data(name: str, training: int) -> Any:
    """Training and validation inputs, and their targets."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return train_test_split(x, y, train_size=training, random_state=0)


def _scaled(scaler: Any, x: Any, validation_x: Any) -> tuple[Any, Any]:
    return scaler.fit_transform(x), scaler.transform(validation_x)


SVC = """
c: {type: float, low: 1e-3, high: 1e3, log: true}
gamma: {type: float, low: 1e-5, high: 10.0, log: true}
kernel:
  - rbf
  - poly: {degree: {type: int, low: 2, high: 5}, coef0: {type: float, low: 0.0, high: 2.0}}
  - sigmoid: {coef0: {type: float, low: -1.0, high: 1.0}}
"""


def svc(config: Config) -> float:
    """Support vectors on breast cancer: 1 - area under the curve."""
    x, validation_x, y, validation_y = _data("breast_cancer", 280)
    x, validation_x = _scaled(StandardScaler(), x, validation_x)
    others = {k: config[k] for k in ("kernel", "gamma", "degree", "coef0") if k in config}
    model = svm.SVC(C=config["c"], max_iter=5000, **others).fit(x, y)
    return 1 - float(roc_auc_score(validation_y, model.decision_function(validation_x)))


BOOSTING = """
learning_rate: {type: float, low: 1e-3, high: 1.0, log: true}
n_estimators: {type: int, low: 5, high: 40}
max_depth: {type: int, low: 1, high: 5}
min_samples_leaf: {type: int, low: 1, high: 50, log: true}
subsample: {type: float, low: 0.3, high: 1.0}
max_features: {type: float, low: 0.1, high: 1.0}
loss: [squared_error, absolute_error, huber]
"""


def boosting(config: Config) -> float:
    """Gradient boosting on diabetes: the part of the variance left unexplained."""
    x, validation_x, y, validation_y = _data("diabetes", 220)
    model = GradientBoostingRegressor(**config, random_state=0).fit(x, y)
    return 1 - float(model.score(validation_x, validation_y))


MLP = """
learning_rate_init: {type: float, low: 1e-4, high: 1e-1, log: true}
hidden: {type: int, low: 4, high: 64, log: true}
alpha: {type: float, low: 1e-6, high: 10.0, log: true}
batch_size: [8, 16, 32, 64]
activation: [relu, tanh, logistic]
beta_1: {type: float, low: 0.0, high: 0.99}
scaler: [minmax, standard]
"""


def mlp(config: Config) -> float:
    """A small network on wine, ten epochs: log loss."""
    x, validation_x, y, validation_y = _data("wine", 90)
    scaler = MinMaxScaler() if config["scaler"] == "minmax" else StandardScaler()
    x, validation_x = _scaled(scaler, x, validation_x)
    others = {k: v for k, v in config.items() if k not in ("hidden", "scaler")}
    model = MLPClassifier((config["hidden"],), max_iter=10, random_state=0, **others).fit(x, y)
    return float(log_loss(validation_y, model.predict_proba(validation_x)))


PIPELINE = """
scaler: [none, minmax, standard]
model:
  - svc:
      c: {type: float, low: 1e-3, high: 1e3, log: true}
      gamma: {type: float, low: 1e-5, high: 10.0, log: true}
  - logistic: {c: {type: float, low: 1e-4, high: 1e3, log: true}}
  - neighbours:
      n_neighbors: {type: int, low: 1, high: 50, log: true}
      weights: [uniform, distance]
      p: [1, 2]
  - forest:
      n_estimators: {type: int, low: 2, high: 20}
      max_depth: {type: int, low: 2, high: 12}
      max_features: {type: float, low: 0.05, high: 1.0}
"""


def pipeline(config: Config) -> float:
    """A scaler and a model for 200 of the digits: the error on 400 others."""
    x, validation_x, y, validation_y = _data("digits", 200)
    validation_x, validation_y = validation_x[:400], validation_y[:400]
    if config["scaler"] != "none":
        scaler = MinMaxScaler() if config["scaler"] == "minmax" else StandardScaler()
        x, validation_x = _scaled(scaler, x, validation_x)
    model = _model(config).fit(x, y)
    return 1 - float(np.mean(model.predict(validation_x) == validation_y))


def _model(config: Config) -> Any:
    others = {k: v for k, v in config.items() if k not in ("scaler", "model", "c")}
    if config["model"] == "svc":
        return svm.SVC(C=config["c"], **others)
    if config["model"] == "logistic":
        return LogisticRegression(C=config["c"], max_iter=50)
    if config["model"] == "neighbours":
        return KNeighborsClassifier(**others)
    return RandomForestClassifier(**others, random_state=0)
