"""Asks a running study for trials by hand, after checking what can be checked from the store alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.settings import OWN_LOOP
from mlflow_hpo.space import Space, given_text, parse_given, parse_space
from mlflow_hpo.space.yaml_1_2 import Loader
from mlflow_hpo.store import Connection, StudyRun, find_study, store_errors
from mlflow_hpo.store.wishes import ADD, wish


def add_trial(study: str, pairs: Sequence[str], any_user: bool = False) -> str:
    """Has a config tried next in a study.

    Args:
        pairs: `NAME=VALUE`, values as in YAML.

    Returns:
        What will happen, in words.

    Raises:
        HpoError: there is no such study, it has begun all its trials, or the config is outside its space.
    """
    with store_errors():
        run = _driven(study, any_user)
        info, trials = info_of(run), run.trials.load()
        if len(trials) >= info.max_trials:
            raise StudyError(
                f"study {run.run_id} has begun all its {info.max_trials} trials: "
                f"resume it with --max-trials {info.max_trials + 1}"
            )
        config = _config(run, pairs, next((t.config for t in trials if t.number == 0), {}))
        wish(run.connection, run.run_id, ADD, config=config)
        return f"study {run.name}: {config} is tried next{_when(run)}"


def end_trial(study: str, number: int, what: str, reason: str = "", any_user: bool = False) -> str:
    """Has a trial of a study stopped, or taken for failed.

    Args:
        what: `stop` or `fail`.

    Returns:
        What will happen, in words.

    Raises:
        HpoError: there is no such study or trial, or the trial is over.
    """
    with store_errors():
        run = _driven(study, any_user)
        trial = next((t for t in run.trials.load() if t.number == number), None)
        if trial is None:
            raise StudyError(f"study {run.run_id} has no trial {number}")
        if trial.is_over:
            raise StudyError(f"trial {number} of study {run.run_id} is over: it {trial.state}")
        wish(run.connection, run.run_id, what, trial=number, reason=reason)
        words = "is stopped" if what == "stop" else "is taken for failed"
        return f"study {run.name}: trial {number} {words}{_when(run)}"


def _when(run: StudyRun) -> str:
    return ", once it is resumed" if run.is_over else " within seconds"


def _driven(name: str, any_user: bool) -> StudyRun:
    """Finds a study that a driver of ours runs."""
    run = find_study(Connection(), name, any_user)
    if info_of(run).settings.model == OWN_LOOP:
        raise StudyError(f"study {run.run_id} is asked and told by its user's own loop, which decides itself")
    return run


def _config(run: StudyRun, pairs: Sequence[str], baseline: Mapping[str, Any]) -> dict[str, Any]:
    given = dict[str, Any]()
    for pair in pairs:
        name, sign, value = pair.partition("=")
        try:
            given[name] = yaml.load(value, Loader)
        except (yaml.YAMLError, ValueError):
            sign = ""
        if not sign or not name:
            raise ConfigError(f"{pair!r} is no NAME=VALUE, with a value as in YAML")
    text = run.artifacts.space_text
    space = parse_space(text, "space.yaml") if text.strip() else Space({})
    [config] = parse_given(given_text([given]), "trial add", space, baseline)
    return config
