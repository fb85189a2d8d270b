"""Whether more of a metric is better is known for the names of the libraries that people train with."""

import inspect

import pytest

from mlflow_hpo.metric import more_is_better

MINIMIZED_BY_XGBOOST = (
    *("rmse", "rmsle", "mae", "mape", "mphe", "logloss", "error", "error@0.7", "merror", "mlogloss"),
    *("poisson-nloglik", "gamma-nloglik", "cox-nloglik", "gamma-deviance", "tweedie-nloglik@1.5"),
    *("aft-nloglik", "quantile", "expectile"),
)
MAXIMIZED_BY_XGBOOST = (
    *("auc", "aucpr", "pre", "pre@5", "ndcg", "ndcg@5", "ndcg-", "map", "map@10", "map@10-", "ams@0.15"),
    "interval-regression-accuracy",
)
MINIMIZED_BY_LIGHTGBM = (
    *(
        "l1",
        "l2",
        "rmse",
        "quantile",
        "mape",
        "huber",
        "fair",
        "poisson",
        "gamma",
        "gamma_deviance",
        "tweedie",
    ),
    *("binary_logloss", "binary_error", "multi_logloss", "multi_error", "cross_entropy"),
    *("cross_entropy_lambda", "kullback_leibler"),
)
MAXIMIZED_BY_LIGHTGBM = ("ndcg", "map", "auc", "average_precision", "auc_mu", "r2")
MINIMIZED_BY_KERAS = ("hinge", "entropy", "divergence", "poisson", "error", "logcosh", "false_")
WITHOUT_DIRECTION = (
    "mean",
    "sum",
    "metric",
    "mean_metric_wrapper",
)  # names that Keras gives to sums of anything


@pytest.mark.parametrize("name", MINIMIZED_BY_XGBOOST + MINIMIZED_BY_LIGHTGBM)
def test_less_is_better_by_xgboost_and_lightgbm(name: str) -> None:
    assert more_is_better(name) is more_is_better(f"val_{name}") is False


@pytest.mark.parametrize("name", MAXIMIZED_BY_XGBOOST + MAXIMIZED_BY_LIGHTGBM)
def test_more_is_better_by_xgboost_and_lightgbm(name: str) -> None:
    assert more_is_better(name) is more_is_better(f"val_{name}") is True


def test_more_of_every_scorer_of_scikit_learns_is_better_but_one() -> None:
    from sklearn.metrics import get_scorer_names

    names = get_scorer_names()
    assert len(names) > 50
    assert [n for n in names if not more_is_better(n) or not more_is_better(f"val_{n}")] == []


def test_less_of_a_score_is_better_where_scikit_learn_says_so() -> None:
    import sklearn.metrics

    functions = {name for name in sklearn.metrics.__all__ if name.endswith(("_score", "_loss", "_error"))}
    less = {name for name in functions if more_is_better(name) is False}
    named = {name for name in functions if name.endswith(("_loss", "_error"))}
    assert less == named | {"davies_bouldin_score"}
    assert more_is_better("inaccuracy") is False
    assert more_is_better("mean_neg_log_loss") is True


def test_every_metric_of_keras_says_its_direction() -> None:
    import keras
    from keras.src.utils.naming import to_snake_case

    classes = [c for c in vars(keras.metrics).values() if inspect.isclass(c)]
    assert len(classes) > 40
    for made in classes:
        default = inspect.signature(made).parameters["name"].default
        name = default if isinstance(default, str) else to_snake_case(made.__name__)
        less = any(part in name for part in MINIMIZED_BY_KERAS)
        expected = None if name in WITHOUT_DIRECTION else not less
        assert more_is_better(name) is more_is_better(f"val_{name}_1") is expected, name


def test_less_of_every_loss_of_keras_is_better_where_its_name_means_no_metric() -> None:
    import keras

    names = [
        n for n, f in vars(keras.losses).items() if inspect.isfunction(f) and n not in ("get", "serialize")
    ]
    assert len(names) > 15
    for name in {*names} - {"deserialize", "cosine_similarity"}:  # more similarity is better as a metric
        expected = None if name in ("dice", "tversky") else False  # most call the coefficient so
        assert more_is_better(name) is expected, name
    assert more_is_better("dice_coef") is True
    assert more_is_better("val_dice_loss") is False


@pytest.mark.parametrize(
    "name",
    ["lift", "val_fairness", "val_dice", "tversky_2", "neg_log_likelihood", "false_neg_rate"],
)
def test_of_other_names_nothing_is_presumed(name: str) -> None:
    assert more_is_better(name) is None
