"""No framework: a softmax regression in NumPy that trains by epochs and can be stopped and gone on with."""

import mlflow
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

X, Y = load_digits(return_X_y=True)
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X / 16, Y, test_size=0.25, random_state=0)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Softmax(mlflow.pyfunc.PythonModel):
    def __init__(self, weights):
        self.weights = weights

    def predict(self, context, model_input: np.ndarray, params=None):
        return softmax(model_input @ self.weights)


def objective(trial):
    file = trial.checkpoint / "weights.npy"
    weights = np.load(file) if trial.start else np.zeros((64, 10))
    size, rate, decay = (trial.config[name] for name in ("batch_size", "rate", "decay"))
    for epoch in range(trial.start + 1, trial.epochs + 1):
        order = np.random.default_rng([trial.seed, epoch]).permutation(len(X_TRAIN))
        for rows in np.array_split(order, len(order) // size):
            error = softmax(X_TRAIN[rows] @ weights) - np.eye(10)[Y_TRAIN[rows]]
            weights -= rate * (X_TRAIN[rows].T @ error / len(rows) + decay * weights)
        right = softmax(X_TEST @ weights).argmax(axis=1) == Y_TEST
        if not trial.report(epoch, {"val_accuracy": right.mean()}):
            break
    np.save(file, weights)
    trial.log_model(
        "pyfunc",
        Softmax(weights),
        inputs=X_TEST[:2],
        outputs=softmax(X_TEST[:2] @ weights),
        code_paths=[__file__],
        pip_requirements=["numpy", "scikit-learn"],
    )
