"""Says what a process must know to load the data that settings name."""

from dataclasses import fields
from pathlib import Path

from mlflow_hpo.data import DataSpec, Roles
from mlflow_hpo.settings import Settings
from mlflow_hpo.user_code import is_address, use_contents


def data_spec(settings: Settings, name: str, content: str, splits: str = "") -> DataSpec:
    """Returns what a process must know to load the data.

    Args:
        content, splits: digests of the data and the folds that Python gave; empty if it gave none.
    """
    return DataSpec(
        name=name,
        seed=settings.split_seed,
        target=settings.target_column,
        task=settings.task,
        fraction=settings.fraction,
        image_size=settings.image_size,
        content=content,
        positive=settings.positive_class,
        class_weight=settings.class_weight or "",
        roles=Roles(**{f.name: getattr(settings, f"{f.name}_column") for f in fields(Roles)}),
        read_options=settings.read_options or "",
        splits=splits,
    )


def fetched_content(data: str, folder: Path) -> str:
    """Fetches data from an address into a folder of contents; returns their digest, empty if it is none."""
    if not is_address(data):
        return ""
    from mlflow_hpo.store.fetched import fetched  # imports MLflow

    use_contents(folder)
    return fetched(data, folder)
