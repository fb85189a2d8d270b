"""Saves, describes and loads logged models."""

import importlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run
from mlflow.exceptions import MlflowException
from mlflow.models import Model, get_model_info, infer_signature

from mlflow_hpo.errors import SetupError, without_passwords
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, store_errors
from mlflow_hpo.store.creation import delete_twins, new_mark
from mlflow_hpo.store.fluent import use_store
from mlflow_hpo.store.repeats import repeated
from mlflow_hpo.user_code import pickled_by_value

CODE = "code"  # the folder of a model with the files that load it
PICKLED = ("pyfunc", "sklearn")  # the flavors that cloudpickle saves


def log_model(
    connection: Connection,
    experiment_id: str,
    run_id: str,
    flavor: str,
    model: Any,
    epochs: int,
    *,
    inputs: Any = None,
    outputs: Any = None,
    files: Mapping[str, Path] | None = None,
    loader: Path | None = None,
    **how: Any,
) -> tuple[str, int]:
    """Logs a run's model with one of MLflow's flavors.

    `mlflow.FLAVOR.log_model` would load and call the model again to check its own input example,
    which takes longer than the training of a small one; so its parts are called here.

    Args:
        inputs, outputs: a few rows of each, for the signature; the inputs become its example. Without
            them there is neither.
        files: more files to keep with the model, each by its path in it.
        loader: a Python file that is kept with it, and loads it as a pyfunc in place of the flavor's own.
        how: what else the flavor's `save_model` takes, such as pip_requirements.

    Returns:
        The model's URI, `models:/ID`, and its size in bytes.

    Raises:
        SetupError: it is no model of that flavor.
    """
    if inputs is not None:
        how |= {"signature": infer_signature(inputs, outputs), "input_example": inputs}
    client = connection.client
    with store_errors(files=False):
        mark = {keys.CREATED: new_mark()}
        logged = client.create_logged_model(experiment_id, name="model", source_run_id=run_id, tags=mark)
        delete_twins(connection, logged)
    model_id, location = logged.model_id, logged.artifact_location
    about = Model(
        artifact_path=without_passwords(location), run_id=run_id, model_uuid=model_id, model_id=model_id
    )
    with tempfile.TemporaryDirectory() as folder:
        _save(flavor, model, folder, mlflow_model=about, **how)
        for path, file in (files or {}).items():
            shutil.copy(file, Path(folder) / path)
        if loader:
            _load_by(loader, about, Path(folder))
        with store_errors(files=False):
            client.log_model_artifacts(model_id, folder)
            client.finalize_logged_model(model_id, "READY")
            with repeated(lambda: model_id in _outputs(client.get_run(run_id))):
                client.log_outputs(run_id, [LoggedModelOutput(model_id, step=epochs)])
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return f"models:/{model_id}", size


def _outputs(run: Run) -> dict[str, int]:
    return {output.model_id: output.step for output in (run.outputs.model_outputs if run.outputs else [])}


def _save(flavor: str, model: Any, folder: str, **how: Any) -> None:
    save = importlib.import_module(f"mlflow.{flavor}").save_model
    by_value = flavor in PICKLED and "code_paths" not in how and _can_be_pickled_by_value(model)
    try:
        with pickled_by_value() if by_value else nullcontext():
            _save_by(flavor, save, model, folder, **how)
    except MlflowException as error:
        raise SetupError(f"mlflow.{flavor} cannot save a {type(model).__name__}: {error}") from error


def models_below(connection: Connection, experiment_id: str, run_id: str) -> list[LoggedModel]:
    """Returns the models of a trial's run and of the runs below it, oldest first, the run's own last."""
    below = connection.models(experiment_id, f"tags.`{keys.TRIAL_RUN}` = '{run_id}'")
    own = connection.models(experiment_id, f"source_run_id = '{run_id}'")
    models = {model.model_id: model for model in (*below, *own)}.values()
    return sorted(models, key=lambda model: (model.source_run_id == run_id, model.creation_timestamp))


def ready_models(connection: Connection, experiment_id: str, run_id: str) -> dict[str, int]:
    """Returns these models' URIs, without those not logged to their end, with the steps given on the run."""
    models = models_below(connection, experiment_id, run_id)
    steps = _outputs(connection.client.get_run(run_id)) if models else {}
    ready = [m.model_id for m in models if m.status == LoggedModelStatus.READY]
    return {f"models:/{model_id}": steps.get(model_id, 0) for model_id in ready}


def _save_by(flavor: str, save: Any, model: Any, folder: str, **how: Any) -> None:
    if flavor == "pyfunc":
        save(path=folder, python_model=model, **how)
    else:
        save(model, folder, **how)


def _load_by(loader: Path, about: Model, folder: Path) -> None:
    (folder / CODE).mkdir(exist_ok=True)
    shutil.copy(loader, folder / CODE)
    about.flavors["python_function"] |= {"loader_module": loader.stem, "code": CODE}
    about.save(str(folder / "MLmodel"))


def _can_be_pickled_by_value(model: Any) -> bool:
    """Tells whether the user's modules may go into the model: they may hold what cannot be pickled."""
    with pickled_by_value() as has_modules, suppress(Exception):
        return has_modules and bool(cloudpickle.dumps(model))
    return False


def load_model(flavor: str, uri: str, tracking_uri: str) -> Any:
    """Loads a logged model by one of its flavors."""
    use_store(tracking_uri)
    return importlib.import_module(f"mlflow.{flavor}").load_model(uri)


def load_native(uri: str, tracking_uri: str) -> Any:
    """Loads a logged model as its own framework has it; a function's as MLflow's pyfunc."""
    flavors = [name for name in flavors_of(uri, tracking_uri) if name != "python_function"]
    return load_model(flavors[0] if flavors else "pyfunc", uri, tracking_uri)


def download_model(uri: str, tracking_uri: str, folder: Path) -> Path:
    """Copies a logged model's files into a folder, and returns where they lie."""
    use_store(tracking_uri)
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def example_of(files: Path) -> Any:
    """Returns the example of its inputs that a logged model has, whose files lie in a folder; or None."""
    return Model.load(str(files)).load_input_example(str(files))


def flavors_of(uri: str, tracking_uri: str) -> tuple[str, ...]:
    """Returns the flavors that a logged model can be loaded by."""
    use_store(tracking_uri)
    return tuple(get_model_info(uri).flavors)


def signature_of(uri: str, tracking_uri: str) -> tuple[str, str]:
    """Returns a logged model's inputs and outputs as JSON; empty where they are not recorded."""
    use_store(tracking_uri)
    signature = get_model_info(uri).signature
    schemas = (signature.inputs, signature.outputs) if signature else (None, None)
    inputs, outputs = ("" if schema is None else _plain(schema.to_json()) for schema in schemas)
    return inputs, outputs


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """Makes a store the default one for a while: MLflow's registry looks for a model's id only there."""
    before = mlflow.get_tracking_uri()
    use_store(uri)
    try:
        yield
    finally:
        use_store(before)


def _plain(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
