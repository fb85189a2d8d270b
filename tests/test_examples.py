"""The examples run, through the command line and as the scripts they are, on small data."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, hpo, hpo_process, run_command

EXAMPLES = PROJECT / "examples"
pytestmark = pytest.mark.slow


def clean(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed, that went well and had nothing to warn of."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(word in done.stderr for word in ("Traceback", "Warning:"))
    assert "could not be drawn" not in done.stdout
    return done.stdout


def search(uri: str, *arguments: str) -> str:
    return clean(hpo(uri, "search", "--workers", "2", *arguments))


def script(uri: str, file: Path | str) -> str:
    """What a script prints, TensorFlow's own greetings aside."""
    return clean(run_command([sys.executable, str(file)], uri, Path.cwd(), TF_CPP_MIN_LOG_LEVEL="3"))


def shortened(uri: str, folder: Path, name: str) -> str:
    """What an example's script prints, run beside its other files, on two trials."""
    copy = shutil.copytree(folder, Path.cwd() / folder.name)
    text, count = re.subn(r"max_trials=\d+", "max_trials=2", (copy / name).read_text())
    assert count == 1
    (copy / name).write_text(text)
    return script(uri, copy / name)


def loaded(uri: str, name: str, inputs: str) -> str:
    """What somebody who loads a registered model gets, without this package's help."""
    Path("use.py").write_text(
        f"import mlflow, numpy as np, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model('models:/{name}@champion')\n"
        f"answers = np.asarray(model.predict({inputs}))\n"
        f"print('answers', answers.shape, answers.dtype.kind, set(answers.ravel()[:20].tolist()))\n"
    )
    return script(uri, "use.py").rpartition("answers ")[2]


@pytest.fixture
def mnist(keras_cache: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (100, 28, 28), dtype=np.uint8), np.arange(100, dtype=np.uint8) % 10
    np.savez(keras_cache / "mnist.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])


def test_a_hypermodel_of_keras_tuners_on_images_in_colour(uri: str) -> None:
    pytest.importorskip("keras_tuner", reason="KerasTuner is an extra")
    Path("colours.py").write_text(
        "import numpy as np\n"
        "def data():\n"
        "    y = np.arange(200) % 10\n"
        "    x = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), dtype=np.uint8)\n"
        "    return x, y\n"
    )
    model = f"{EXAMPLES}/cifar10/model.py:SmallCNN"
    options = (
        "--workers",
        "2",
        "--max-trials",
        "2",
        "--max-epochs",
        "1",
        "--register",
        "cifar10",
        "--top-k",
        "1",
    )
    said = clean(hpo_process(uri, "search", "--model", model, "--data", "colours.py:data", *options))
    assert "blocks=2 filters_0=16 batch_norm=False" in said  # its own defaults are the baseline
    assert "registered trial" in said
    assert loaded(uri, "cifar10", "np.zeros((2, 32, 32, 3), 'float32')").startswith("(2, 10) f")


def test_a_keyword_builder_on_a_dict_of_lists(uri: str, mnist: None) -> None:
    folder = EXAMPLES / "mnist_grid"
    said = search(uri, "--model", f"{folder}/model.py:create_model", "--space", f"{folder}/space.yaml",
                  "--data", "mnist", "--algorithm", "random", "--max-trials", "2")  # fmt: skip
    assert "hidden_layer_one=784 hidden_layer_two=256" in said
    assert "trained for its 10 epochs" in said
    said = shortened(uri, folder, "search.py")
    assert "best score is 0." in said
    assert "'epochs': " in said


def test_a_pipeline_whose_trees_are_the_schedulers_resource(uri: str) -> None:
    folder = EXAMPLES / "sklearn_pipeline"
    said = search(uri, "--model", f"{folder}/model.py:pipeline", "--data", f"{folder}/model.py:data",
                  "--space", f"{folder}/space.yaml", "--scheduler", "asha", "--resource",
                  "clf__n_estimators", "--min-epochs", "3", "--max-epochs", "27", "--max-trials",
                  "3", "--register", "cancer")  # fmt: skip
    assert "rungs at epochs 3, 9, 27" in said
    assert "clf__max_depth=" in said
    assert "test_accuracy 0.9" in said


@pytest.mark.parametrize(
    "model",
    [
        (),
        ("--model", "sklearn.ensemble:HistGradientBoostingClassifier", "--folds", "3", "--space",
         f"{EXAMPLES}/tabular_csv/boosting.yaml"),
    ],
    ids=["mlp", "boosting"],
)  # fmt: skip
def test_a_table_is_searched_on_and_served_as_it_is(uri: str, model: tuple[str, ...]) -> None:
    script(uri, EXAMPLES / "tabular_csv" / "make_csv.py")
    epochs = () if model else ("--max-epochs", "3")
    name = "by_boosting" if model else "by_mlp"  # a model of other outputs is no successor
    said = search(uri, *model, *epochs, "--data", "customers.csv", "--target", "churned",
                  "--max-trials", "2", "--register", name, "--top-k", "1")  # fmt: skip
    assert ("on all rows" in said) == bool(model)  # folds: the winner is trained once more
    answers = loaded(uri, name, "pd.read_csv('customers.csv').drop(columns='churned').head(9)")
    assert ("'yes'" in answers) if model else answers.startswith("(9, 2) f")


def test_a_function_that_reports_its_epochs(uri: str) -> None:
    folder = EXAMPLES / "function"
    said = search(uri, "--model", f"{folder}/objective.py:objective", "--space", f"{folder}/space.yaml",
                  "--metric", "val_accuracy", "--scheduler", "asha", "--max-epochs", "9",
                  "--max-trials", "2", "--register", "softmax")  # fmt: skip
    assert "best: trial" in said
    assert "val_accuracy 0.9" in said
    assert loaded(uri, "softmax", "np.zeros((2, 64))").startswith("(2, 10) f")


def test_a_plain_function_and_the_same_with_hyperopts_expressions(uri: str) -> None:
    folder = EXAMPLES / "function"
    said = search(uri, "--model", f"{folder}/simulation.py:settling_time", "--space",
                  f"{folder}/simulation.yaml", "--max-trials", "2")  # fmt: skip
    assert "best: trial" in said
    assert "at rest after" in shortened(uri, folder, "with_hyperopt.py")
