"""A Pipeline and its data, as scikit-learn's users write them: nothing here knows of mlflow_hpo."""

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

pipeline = Pipeline([("scale", StandardScaler()), ("clf", RandomForestClassifier())])


def data():
    return load_breast_cancer(return_X_y=True, as_frame=True)
