"""What a study is asked to do: every setting with its type, default and help, in one place.

The command line is made from these fields; a test compares MLproject and the documents with them.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import unboxed
from mlflow_hpo.projects.spec import ProjectSpec
from mlflow_hpo.user_code import with_colon
from mlflow_hpo.vocabulary import fault_clauses

ALL = "all"  # as max_trials: a whole grid
LOCAL = "local"  # as executor: worker processes here
LARGEST_GRID = 10_000  # combinations of a whole grid
DEFAULT_MODEL = "mlp"
DEFAULT_DATA = "digits"  # of the built-in models
DEFAULT_ALIAS = "champion"
OWN_LOOP = "mlflow_hpo.study.ask_tell:told"  # as model: its user's own loop trains the trials
PROJECT_GRACE = 15.0  # seconds that a trial of a project has to end its process, beyond its limit


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value else value


def _joined(value: Any) -> Any:
    """Returns the parts of a list as one text, as the command line has them, and that without blanks."""
    parts = value.split(",") if isinstance(value, str) else value
    return ",".join(str(part).strip() for part in parts) if isinstance(parts, list | tuple) else value


def _read_by(module: str, function: str) -> Any:
    """Returns a validator that imports what reads a value, and NumPy with it, only if there is one."""
    return BeforeValidator(lambda value: getattr(import_module(module), function)(value) if value else None)


def _words_or_count(*words: str, least: int = 1) -> Callable[[Any], Any]:
    """Returns a validator for some words or a whole number."""

    def read(value: Any) -> Any:
        try:
            number: Any = value if isinstance(value, str) and value in words else int(str(value).strip())
        except ValueError:
            number = least - 1
        if number not in words and number < least:
            raise ValueError(f"must be {', '.join(words)} or a whole number of at least {least}")
        return number

    return read


def _setting(default: Any, help_text: str, resumable: bool = False, **constraints: Any) -> Any:
    """Makes a field of `Settings`.

    Args:
        resumable: a resume may give it another value, as it changes none of the trials there are.
    """
    return Field(default, description=help_text, json_schema_extra={"resumable": resumable}, **constraints)


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[_Positive | None, BeforeValidator(_blank_is_none)]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_blank_is_none)]
Share = Annotated[Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(_blank_is_none)]
Count = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_blank_is_none)]
Seed = Annotated[Annotated[int, Field(ge=0, lt=2**32)] | None, BeforeValidator(_blank_is_none)]
Name = Annotated[str | None, BeforeValidator(lambda value: None if value is None else str(value) or None)]
Model = Annotated[str, BeforeValidator(with_colon)]
Word = Annotated[str | None, BeforeValidator(_blank_is_none)]
Reference = Annotated[Word, BeforeValidator(with_colon)]
ReadOptions = Annotated[str | None, _read_by("mlflow_hpo.data.sources.files", "options_text")]
ClassWeight = Annotated[str | None, _read_by("mlflow_hpo.data.weights", "class_weight_text")]
TrialCount = Annotated[Literal["all"] | int, BeforeValidator(_words_or_count(ALL))]
WorkerCount = Annotated[Literal["auto"] | int, BeforeValidator(_words_or_count("auto", least=0))]
KeptModels = Annotated[Literal["all", "best"] | int, BeforeValidator(_words_or_count(ALL, "best"))]


class SearchSettings(BaseModel):
    """What a search is asked to do."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: Model = _setting(
        DEFAULT_MODEL, "Model to tune: mlp, cnn, package.module:NAME or path/to/file.py:NAME."
    )
    data: Word = _setting(
        None,
        "Data: digits, mnist, ...; a table or an NPZ file, here or at an address; images; module:FUNCTION.",
    )
    target_column: Word = _setting(None, "Column to predict, in a table.")
    read_options: ReadOptions = _setting(
        None, 'How pandas reads a file, as {"sep": ";", "encoding": "cp1252"}.'
    )
    task: str = _setting("auto", "classification, regression, or auto: by the values to predict.")
    positive_class: Name = _setting(None, "Class of two that scorers call positive; empty: the second.")
    weight_column: Word = _setting(None, "Column that says how much each row of a table counts.")
    group_column: Word = _setting(None, "Column whose equal values are never apart in a split.")
    time_column: Word = _setting(None, "Column to split by: the past trains, the future tests.")
    part_column: Word = _setting(None, "Column that says train, validation or test.")
    class_weight: ClassWeight = _setting(None, 'What each class counts: balanced, or {"no": 1, "yes": 3}.')
    fraction: float = _setting(
        1.0, "Part of the rows that the search trains on; the winner is trained on all.", gt=0, le=1
    )
    image_size: int = _setting(64, "Height and width in pixels that a folder's images get.", ge=1)
    preprocess: Literal["auto", "none"] = _setting(
        "auto", "auto: tables are preprocessed as part of the model; none: as they are."
    )
    space: Word = _setting(None, "YAML file with the hyperparameters; empty: the model's own.")
    algorithm: str = _setting(
        "auto", "auto, gp, tpe, random, anneal, evolution, cmaes, nsga2, grid, optuna:NAME, module:function."
    )
    scheduler: str = _setting(
        "none", "Which trials get how many epochs: none, asha, hyperband, halving, median, pbt."
    )
    max_trials: TrialCount = _setting(
        20, "How many configurations to train, the baseline included; all: a whole grid.", resumable=True
    )
    max_epochs: Count = _setting(
        None, "Epochs of a fully trained trial; empty: 10, or as many as the space asks for."
    )
    resource: str = _setting(
        "auto",
        "What an epoch is: partial_fit, samples, or one of an estimator's params; a project's parameter.",
    )
    folds: int = _setting(1, "Cross-validate each trial on so many folds.", ge=1)
    repeats: int = _setting(1, "Train each trial with so many seeds.", ge=1)
    early_stopping: Count = _setting(None, "End a trial when so many epochs brought no better value.")
    callbacks: Reference = _setting(
        None, "Function that returns Keras callbacks, or a list of them: file.py:NAME."
    )
    metric: Annotated[str, BeforeValidator(_joined)] = _setting(
        "",
        "What to optimise: what training reports, or a scorer, as val_f1_macro; empty: by the task. Several, "
        "as val_accuracy,inference_ms:minimize, are weighed against each other.",
    )
    constraints: Annotated[Word, BeforeValidator(_joined)] = _setting(
        None, "What a model must keep to: inference_ms <= 5, model_size_bytes < 1e6."
    )
    direction: Literal["auto", "minimize", "maximize"] = _setting(
        "auto", "minimize, maximize, or auto: by the metric's name."
    )
    at: Literal["auto", "best", "last"] = _setting(
        "auto", "Which epoch's value counts, with its model: best, last, or auto: best for Keras models."
    )
    workers: WorkerCount = _setting(
        "auto",
        "Worker processes; auto: one for each GPU, or core; 0: train in this process, for a debugger.",
        resumable=True,
    )
    executor: str = _setting(LOCAL, "local, ray, dask, ray://host:port or dask://host:port.", resumable=True)
    trial_cpus: Count = _setting(None, "Cores of a trial; empty: all, shared by workers.", resumable=True)
    trial_gpus: Share = _setting(None, "GPUs of a trial, or a part of one; empty: all.", resumable=True)
    timeout: Seconds = _setting(None, "Seconds for the search; then trials are ended.", resumable=True)
    trial_timeout: Seconds = _setting(None, "Seconds for one trial; empty: none.", resumable=True)
    retries: int = _setting(
        2, "How often a unit of a trial is given again after its worker died.", resumable=True, ge=0
    )
    seed: int = _setting(0, "Seed of the search and, derived from it, each trial.", ge=0, lt=2**32)
    data_seed: Seed = _setting(None, "Seed of the split of the data; empty: that of the search.")
    grid_points: int = _setting(5, "Points of each float that the algorithm grid tries.", ge=2)
    min_epochs: int = _setting(1, "Fewest epochs of the first rung; of a generation for pbt.", ge=1)
    eta: int = _setting(3, "Of the trials at a rung, one in so many goes on.", ge=2)
    target: Number = _setting(
        None, "End when the metric reaches this number; a word: the column to predict.", resumable=True
    )
    patience: Count = _setting(
        None, "End when so many trials brought no better one; empty: never.", resumable=True
    )
    start_from: Word = _setting(None, "Configs to try first: a YAML file, or runs:/ID.")
    warm_start: Word = _setting(None, "Earlier study whose trials inform the algorithm.")


class Settings(SearchSettings):
    """Everything a study was asked to do. Empty strings mean the default, as MLproject passes them."""

    register_as: Word = _setting(
        None, "Register the best model under this name.", resumable=True, alias="register"
    )
    alias: str = _setting(DEFAULT_ALIAS, "Alias that the registered model gets.", resumable=True)
    final: Literal["auto"] | bool = _setting(
        "auto",
        "true: train the winner once more on all rows; auto: where the search had not all of them.",
        resumable=True,
    )
    keep_models: KeptModels = _setting(
        ALL, "Whose models and checkpoints are kept: all, best, or how many of the best.", resumable=True
    )
    keep_data: bool = _setting(False, "Keep data that Python gave with the study, for a resume.")
    top_k: int = _setting(
        3,
        "Before registering, train so many of the best again with another seed; 1: none.",
        resumable=True,
        ge=1,
    )
    min_gain: float = _setting(
        0.0,
        "Move the alias only to a model that is better than its holder by more than this.",
        resumable=True,
        allow_inf_nan=False,
    )
    confidence: float = _setting(
        0.95, "How sure that must be, from 0.5 to below 1.", resumable=True, ge=0.5, lt=1
    )
    prefer: Annotated[Word, BeforeValidator(_joined)] = _setting(
        None,
        "Of several metrics' best models, which is registered: val_accuracy>=0.97,min:inference_ms; empty: "
        "the one in the middle.",
        resumable=True,
    )
    force: bool = _setting(False, "Register a model that is not better, too.", resumable=True)
    project: ProjectSpec | None = _setting(None, "MLflow project to tune instead of a model.")

    @model_validator(mode="before")
    @classmethod
    def _tell_targets_apart(cls, given: Any) -> Any:
        return _with_target(given)

    @property
    def trials_can_pause(self) -> bool:
        """Tells whether a trial can go on from where it stopped; a project's process cannot."""
        return self.project is None or self.resource != "auto"

    @property
    def wants_final(self) -> bool:
        """Tells whether the winner is trained once more on all rows; `auto`: if the search had fewer."""
        return self.final is True or (self.final == "auto" and (self.fraction < 1 or self.folds > 1))

    @property
    def split_seed(self) -> int:
        """The seed that the data are split by."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def most_trials(self) -> int:
        """The most trials that there can be."""
        return LARGEST_GRID if self.max_trials == ALL else int(self.max_trials)

    @property
    def kept_models(self) -> int | None:
        """How many trials keep their models; None: all."""
        if self.keep_models == ALL:
            return None
        return 1 if self.keep_models == "best" else int(self.keep_models)

    def dump(self) -> dict[str, Any]:
        """Returns the settings as given, under the options' names; `project` only if there is one."""
        return self.model_dump(by_alias=True, exclude=None if self.project else {"project"})


OPTIONS = {field.alias or name: field for name, field in Settings.model_fields.items()}  # by option
RESUMABLE = tuple(n for n, field in OPTIONS.items() if dict(field.json_schema_extra or {})["resumable"])  # type: ignore[arg-type]


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Reads settings by their options' names; the names, files and code in them need not exist here.

    Raises:
        ConfigError: one clause for each option that is wrong, with its value and what would be right.
    """
    try:
        return Settings(**{name: _plain(name, value) for name, value in options.items()})
    except ValidationError as error:
        raise ConfigError("; ".join(fault_clauses(error.errors(), OPTIONS))) from None


def _plain(name: str, value: Any) -> Any:
    """Returns a value as Python's own; refuses bytes, which pydantic takes for the number that they spell."""
    value = unboxed(value)
    if isinstance(value, bytes | bytearray):
        raise ConfigError(f"{name.replace('_', '-')}: {value!r:.100} is of type {type(value).__name__}")
    return value


def _with_target(given: Any) -> Any:
    """Reads `target` as the value to stop at if it is a number, else as the column to predict."""
    target = given.get("target")
    if not isinstance(target, str) or not target or _is_number(target):
        return given
    if given.get("target_column") not in (None, "", target):
        raise ValueError(f"target: with a target-column it is the value to stop at, not {target!r}")
    return {**given, "target": None, "target_column": target}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
