"""The gate: decides whether a new model takes the alias from the champion, the version that holds it."""

import json
from collections.abc import Sequence
from contextlib import suppress

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import TrialError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.registry.compare import compare, measure_for
from mlflow_hpo.registry.several import by_all
from mlflow_hpo.registry.testing import Challenger
from mlflow_hpo.registry.verdict import Verdict, data_note
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.store.repeats import MISSING
from mlflow_hpo.store.tag_reader import json_of
from mlflow_hpo.worker.dispatch import Dispatcher
from mlflow_hpo.worker.evaluate import ModelEvaluation, Signature, evaluate_model

RECORDED = json_of(tuple[str, float])
MAX_SIGNATURE = 200  # characters of it in a message


def champion_of(connection: Connection, name: str, alias: str) -> ModelVersion | None:
    """Returns the version of a registered model that holds the alias; None if there is none."""
    try:
        aliases = connection.client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        return None
    return connection.client.get_model_version(name, aliases[alias]) if alias in aliases else None


def judge(challenger: Challenger, champion: ModelVersion | None, dispatcher: Dispatcher) -> Verdict:
    """Compares a challenger with the champion.

    The alias moves if no version holds it, or if the lower bound of the gain's interval is above `min_gain`
    (see `compare`). Without a test part the values on validation decide, without an interval. A champion with
    another signature or other classes serves other callers: it is not compared, and the alias stays.

    Raises:
        HpoError: the challenger cannot be loaded.
    """
    if champion is None:
        return Verdict(None, True, "nobody held the alias: there was nothing to compare it with")
    if champion.source == challenger.model_uri:
        return Verdict(champion, False, f"version {champion.version} is this very model")
    uri, signature = f"models:/{champion.name}/{champion.version}", challenger.evaluation.signature
    try:
        seen = champion.tags.get(keys.SEARCHED_ROWS, "")
        work = dispatcher.executor.submit(evaluate_model, dispatcher.task, uri, False, signature, seen)
        old: ModelEvaluation = answered(work, "it scored the champion")
    except TrialError as error:
        return Verdict(champion, False, f"version {champion.version} cannot be scored: {error}")
    if differences := _differences(champion, old.signature, challenger.evaluation):
        why = f"version {champion.version} serves other callers: {'; '.join(differences)}"
        return Verdict(champion, False, why)
    if old.failure:
        return Verdict(champion, False, f"version {champion.version} cannot be scored: {old.failure}")
    if len(dispatcher.info.metrics) > 1:
        return by_all(challenger, old, champion, dispatcher.info)
    if not challenger.evaluation.rows:
        return _by_validation(challenger, champion, dispatcher.info)
    return _by_test(challenger, old, champion, dispatcher.info)


def _differences(champion: ModelVersion, old: Signature, new: ModelEvaluation) -> list[str]:
    """Returns what a caller of the champion would notice if the new model took its place, in words."""
    fields = [("inputs", old.inputs, new.signature.inputs), ("outputs", old.outputs, new.signature.outputs)]
    if (classes := champion.tags.get(keys.CLASSES)) is not None:
        fields.append(("classes", classes, classes_tag(new.classes)))
    return [
        f"its {name} are {_short(one)}, not {_short(other)}" for name, one, other in fields if one != other
    ]


def classes_tag(classes: Sequence[str]) -> str:
    """Returns the names of the classes as JSON for a version's tag."""
    return json.dumps(list(classes), ensure_ascii=False, separators=(",", ":"))[: keys.MAX_TAG]


def _short(text: str) -> str:
    return (text if len(text) <= MAX_SIGNATURE else text[: MAX_SIGNATURE - 1] + "…") or "unknown"


def _by_test(
    challenger: Challenger, old: ModelEvaluation, champion: ModelVersion, info: StudyInfo
) -> Verdict:
    """Decides by the rows of the test part."""
    rows, gate = challenger.evaluation.rows, info.settings
    comparison = compare(rows, old.rows, measure_for(info.metric.name, rows, old.rows), gate.confidence)
    moves = comparison.low > gate.min_gain
    words = "is better" if moves else "is not surely better"
    why = (
        f"it {words} than version {champion.version} by more than {gate.min_gain:g} "
        f"at confidence {gate.confidence:g}: {comparison}"
    )
    return Verdict(champion, moves, why, comparison, data_note(old, champion))


def _by_validation(challenger: Challenger, champion: ModelVersion, info: StudyInfo) -> Verdict:
    """Decides by the values that the two studies reached, as there are no rows to compare on."""
    metric, cannot = info.metric, "there is no test part to compare on"
    name, old = "", 0.0
    with suppress(ValueError):  # it is missing, or damaged
        name, old = RECORDED(champion.tags.get(keys.VALUE, ""))
    if name != metric.name:
        why = f"{cannot}, and version {champion.version} has {name or 'nothing'} recorded, not {metric.name}"
        return Verdict(champion, False, why)
    moves = metric.loss(old) - metric.loss(challenger.values[metric.name]) > info.settings.min_gain
    values = f"{name} {challenger.values[name]:.4f} against {old:.4f} of version {champion.version}"
    words = f"it is {'' if moves else 'not '}better by more than {info.settings.min_gain:g}"
    return Verdict(champion, moves, f"{cannot}; by the searches' own values, {values}, {words}")
