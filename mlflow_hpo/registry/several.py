"""The gate for a study of several metrics: a model must be better in one of them, and worse in none."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from mlflow_hpo.metric import Metric
from mlflow_hpo.registry.compare import Comparison, compare, measure_for
from mlflow_hpo.registry.testing import Challenger
from mlflow_hpo.registry.verdict import Verdict, data_note
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.store import keys
from mlflow_hpo.store.tag_reader import json_of
from mlflow_hpo.worker.evaluate import ModelEvaluation

RECORDED = json_of(dict[str, float])
SAME = 0.05  # the part of a recorded value within which two are the same: what is measured varies


@dataclass(frozen=True)
class Judged:
    """Two models by one metric.

    Attributes:
        verdict: 1: the challenger is better, -1: worse, 0: neither is sure.
    """

    verdict: int
    words: str


def by_all(challenger: Challenger, old: ModelEvaluation, champion: ModelVersion, info: StudyInfo) -> Verdict:
    """Decides by all metrics of the study.

    The first is compared on the test part, where there is one. Of the others, which the test part does not
    tell, the values that the two versions reached in their studies are compared.
    """
    recorded = dict[str, float]()
    with suppress(ValueError):  # it is missing, or damaged
        recorded = RECORDED(champion.tags.get(keys.VALUES, ""))
    first, comparison = _first(challenger, old, info, recorded)
    judged = [first, *(_by_values(metric, challenger.values, recorded) for metric in info.metrics[1:])]
    verdicts = [one.verdict for one in judged]
    moves = max(verdicts) > 0 and min(verdicts) >= 0
    words = "is better in one metric and worse in none" if moves else "is not better in one and worse in none"
    why = f"it {words}, against version {champion.version}: {'; '.join(one.words for one in judged)}"
    return Verdict(champion, moves, why, comparison, data_note(old, champion) if comparison else "")


def _first(
    challenger: Challenger, old: ModelEvaluation, info: StudyInfo, recorded: Mapping[str, float]
) -> tuple[Judged, Comparison | None]:
    rows, gate = challenger.evaluation.rows, info.settings
    if not rows:
        return _by_values(info.metric, challenger.values, recorded), None
    comparison = compare(rows, old.rows, measure_for(info.metric.name, rows, old.rows), gate.confidence)
    verdict = int(comparison.low > gate.min_gain) - int(comparison.high < 0)
    return Judged(verdict, str(comparison)), comparison


def _by_values(metric: Metric, new: Mapping[str, float], old: Mapping[str, float]) -> Judged:
    if metric.name not in old or metric.name not in new:
        return Judged(0, f"{metric.name} is not recorded of both")
    gain = metric.loss(old[metric.name]) - metric.loss(new[metric.name])
    is_same = abs(gain) <= SAME * abs(old[metric.name])
    words = f"{metric.name} {new[metric.name]:.4g} against {old[metric.name]:.4g}"
    return Judged(0 if is_same else 1 if gain > 0 else -1, words + (" (the same)" if is_same else ""))
