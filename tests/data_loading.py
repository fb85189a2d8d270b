"""Data as a study loads them, for the tests of sources."""

from typing import Any

from mlflow_hpo.data import Data, DataSpec, check_data, load_data


def load(name: str, **options: Any) -> Data:
    load_data.cache_clear()
    spec = DataSpec(name, **options)
    check_data(spec)
    return load_data(spec)


def sizes(data: Data) -> list[int]:
    return [len(part) for part in (data.train, data.validation, data.test)]
