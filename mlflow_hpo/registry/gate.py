"""The gate: whether a new model takes the alias from the version that holds it."""

from dataclasses import asdict, dataclass

from mlflow.entities.model_registry import ModelVersion

from mlflow_hpo.errors import TrialError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.registry.champion import differences, recorded, uri_of
from mlflow_hpo.registry.compare import Comparison, compare, measure_for
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import to_json
from mlflow_hpo.worker.dispatch import Dispatcher
from mlflow_hpo.worker.evaluate import ModelEvaluation, evaluate_model


@dataclass(frozen=True)
class Challenger:
    """The model that would take the alias.

    Attributes:
        value: the study's metric on the validation part, the mean over its trial's seeds.
    """

    uri: str
    trial: int
    value: float
    evaluation: ModelEvaluation


@dataclass(frozen=True)
class Verdict:
    """Whether the alias moves.

    Attributes:
        why: on what ground, in words.
        note: what else is to be known of the comparison.
    """

    moves: bool
    why: str
    comparison: Comparison | None = None
    note: str = ""

    def tag(self, champion: ModelVersion | None, info: StudyInfo) -> str:
        """What was compared, as it is kept with the new version."""
        found: dict[str, object] = {"with": champion and str(champion.version), "ground": self.why[:1000]}
        if self.comparison:
            found |= asdict(self.comparison) | {"min_gain": info.settings.min_gain}
        return to_json(found)


def verdict(new: Challenger, champion: ModelVersion | None, dispatcher: Dispatcher) -> Verdict:
    """Compare a new model with the champion.

    The alias moves where nobody holds it; else where the lower bound of the gain's interval is above
    `min_gain` (see `compare`). Without a test part the values on validation decide, without an interval.
    A champion that another kind of caller uses, by signature or classes, is not compared: the alias stays.

    Raises:
        HpoError: a model cannot be loaded.
    """
    info, task, executor = dispatcher.info, dispatcher.task, dispatcher.executor
    if champion is None:
        return Verdict(True, "nobody held the alias: there was nothing to compare it with")
    if champion.source == new.uri:
        return Verdict(False, f"version {champion.version} is this very model")
    try:
        work = executor.submit(evaluate_model, task, uri_of(champion), False, new.evaluation.signature)
        old: ModelEvaluation = answered(work, "it scored the champion")
    except TrialError as error:
        return Verdict(False, f"version {champion.version} cannot be scored: {error}")
    if other := differences(champion, old.signature, new.evaluation):
        return Verdict(False, f"version {champion.version} serves other callers: {'; '.join(other)}")
    if old.failure:
        return Verdict(False, f"version {champion.version} cannot be scored: {old.failure}")
    if not new.evaluation.rows:
        return _by_validation(new, champion, info)
    return _by_test(new, old, champion, info)


def _by_test(new: Challenger, old: ModelEvaluation, champion: ModelVersion, info: StudyInfo) -> Verdict:
    measure = measure_for(info.metric.name, new.evaluation.rows, old.rows)
    found = compare(new.evaluation.rows, old.rows, measure, info.settings.confidence)
    moves = found.low > info.settings.min_gain
    words = "is better" if moves else "is not surely better"
    ground = (
        f"it {words} than version {champion.version} by more than {info.settings.min_gain:g} "
        f"at confidence {info.settings.confidence:g}: {found}"
    )
    return Verdict(moves, ground, found, _seen(old.digest, champion))


def _by_validation(new: Challenger, champion: ModelVersion, info: StudyInfo) -> Verdict:
    """Where there are no rows to compare on: the values that the two studies had."""
    known, cannot = recorded(champion), "there is no test part to compare on"
    if known is None or known[0] != info.metric.name:
        other = "nothing" if known is None else known[0]
        return Verdict(
            False, f"{cannot}, and version {champion.version} has {other} recorded, not {info.metric.name}"
        )
    gain = info.metric.loss(known[1]) - info.metric.loss(new.value)
    moves = gain > info.settings.min_gain
    values = f"{info.metric.name} {new.value:.4f} against {known[1]:.4f} of version {champion.version}"
    words = f"it is {'' if moves else 'not '}better by more than {info.settings.min_gain:g}"
    return Verdict(moves, f"{cannot}; by the searches' own values, {values}, {words}")


def _seen(digest: str, champion: ModelVersion) -> str:
    known = champion.tags.get(keys.TEST_DIGEST)
    if known == digest:
        return ""
    other = f"data {known}" if known else "data that are not recorded"
    return (
        f"mind: version {champion.version} was trained on {other}, not on {digest}: "
        "it may have seen some of these test rows, which would favour it"
    )
