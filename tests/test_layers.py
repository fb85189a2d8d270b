"""A module imports only lower layers (its own folder aside), and each library has its place."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mlflow_hpo"
LAYERS = [
    ["errors", "trial", "vocabulary", "__init__"],
    ["metric", "hardware", "user_code"],
    ["space", "data"],
    ["algorithms", "schedulers", "models", "projects", "store"],
    ["settings", "objectives"],
    ["report", "execution"],
    ["worker"],
    ["registry"],
    ["study"],
    ["doctor", "api"],
    ["cli", "plugin"],
]
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
PLACES = {  # library -> the only modules that may import it
    "hyperopt": {"space", "algorithms"},
    "mlflow": {"store", "registry", "objectives/keras/served_keras", "projects", "plugin"},
    "tensorflow": {
        "objectives/keras",
        "models",
        "data/joining",
        "data/sources/images",
        "data/steps",
        "data/stream",
    },
    "keras": {"objectives/keras", "models", "data"},
    "pebble": {"execution/local"},
    "keras_tuner": {"objectives/keras/tuner", "objectives/keras/tuner_space"},
    "sklearn": {"data", "objectives/sklearn", "objectives/scoring", "report/importance"},
    "cmaes": {"algorithms/cmaes"},
    "plotly": {"report/plots/base", "report/page"},
    "jinja2": {"report/page"},
    "optuna": {"algorithms/optuna"},
    "distributed": {"execution/dask"},
    "ray": {"execution/ray"},
}
# What the package and `python -m mlflow_hpo` hand out, and do not use.
FACE = {"mlflow_hpo.api", "mlflow_hpo.api.tune", "mlflow_hpo.api.tune_project", "mlflow_hpo.cli"}
FACE |= {"mlflow_hpo.study", "mlflow_hpo.study.ask_tell", "mlflow_hpo.study.ask_tell.open_study"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def unit(module: str) -> str:
    return [*module.split("."), "__init__"][1]


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_a_module_imports_only_lower_layers(file: Path) -> None:
    own = file.relative_to(PACKAGE).with_suffix("").parts[0]
    for module in imports(file):
        if module.startswith("mlflow_hpo."):
            other = unit(module)
            other = other if other in LAYER else "__init__"
            face = own in ("__init__", "__main__") and module in FACE
            assert face or other == own or LAYER[other] < LAYER[own], f"{own} imports {other}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_each_library_is_imported_only_in_its_place(file: Path) -> None:
    path = str(file.relative_to(PACKAGE).with_suffix(""))
    for module in imports(file):
        places = PLACES.get(module.split(".")[0])
        assert places is None or any(path == p or path.startswith(p + "/") for p in places), (
            f"{path}: {module}"
        )
