"""An ElasticNet on scikit-learn's diabetes data; it knows nothing of mlflow_hpo."""

import sys

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

alpha, l1_ratio = float(sys.argv[1]), float(sys.argv[2])
x, y = load_diabetes(return_X_y=True)
train_x, test_x, train_y, test_y = train_test_split(x, y, random_state=0)
with mlflow.start_run():
    model = ElasticNet(alpha=alpha, l1_ratio=l1_ratio, random_state=0).fit(train_x, train_y)
    mlflow.log_metric("rmse", root_mean_squared_error(test_y, model.predict(test_x)))
    mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
