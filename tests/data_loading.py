"""Data as a study loads them, for the tests of sources."""

from pathlib import Path
from typing import Any

from mlflow_hpo.data import Data, DataSpec, check_data, load_data, save_data
from mlflow_hpo.user_code import use_contents


def load(name: str, **options: Any) -> Data:
    load_data.cache_clear()
    spec = DataSpec(name, **options)
    check_data(spec)
    return load_data(spec)


def sizes(data: Data) -> list[int]:
    return [len(part) for part in (data.train, data.validation, data.test)]


def given(value: Any, folder: Path, target: str | None = None, **how: Any) -> DataSpec:
    """Data that Python gave, as a worker of the study is told of them."""
    use_contents(folder)
    return DataSpec(
        "given:data", content=save_data(value, folder, DataSpec("given:data", target=target)), **how
    )
