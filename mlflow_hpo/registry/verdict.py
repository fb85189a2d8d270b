"""What the gate decides, and how it is recorded."""

from dataclasses import asdict, dataclass

from mlflow.entities.model_registry import ModelVersion

from mlflow_hpo.registry.compare import Comparison
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import to_json
from mlflow_hpo.worker.evaluate import ModelEvaluation

MAX_REASON = 1000  # characters of it in a tag


@dataclass(frozen=True)
class Verdict:
    """The gate's decision.

    Attributes:
        champion: the version that the challenger was compared with; None if no version holds the alias.
        moves: the challenger is to take the alias.
        why: the reason, in words.
        note: a caution about the comparison; empty if there is none.
    """

    champion: ModelVersion | None
    moves: bool
    why: str
    comparison: Comparison | None = None
    note: str = ""

    def tag(self, min_gain: float) -> str:
        """Returns what was compared, as JSON for the new version's tag."""
        record: dict[str, object] = {
            "with": self.champion and str(self.champion.version), "ground": self.why[:MAX_REASON],
        }  # fmt: skip
        if self.comparison:
            record |= asdict(self.comparison) | {"min_gain": min_gain}
        return to_json(record)


def data_note(old: ModelEvaluation, champion: ModelVersion) -> str:
    """Returns a caution if the test rows may be among those that the champion was trained on.

    They are not where it was trained on the same data, has held out the very same rows, or where none of them
    is found in the sketch of the rows that it was searched with.
    """
    recorded = champion.tags.get(keys.TEST_DIGEST)
    if recorded == old.digest or champion.tags.get(keys.HELD_OUT) == old.held_out or old.is_new:
        return ""
    data = f"data {recorded}" if recorded else "data that are not recorded"
    return (
        f"mind: version {champion.version} was trained on {data}, not on {old.digest}: "
        "it may have seen some of these test rows, which would favour it"
    )
