"""Records of what became of a study's best model: its final training, and attempts to register it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KEPT = 3  # registrations that a study keeps


@dataclass(frozen=True)
class FinalTraining:
    """A training of the best trial's config on training and validation rows together.

    Attributes:
        trial: the number of that trial.
    """

    trial: int
    run_id: str
    model_uri: str


@dataclass(frozen=True)
class Registration:
    """The outcome of an attempt to register a model: a new version, or a refusal by the gate.

    Attributes:
        trial: the number of the trial whose model it is.
        why: the reason, in words.
        version: the new version; empty if it was refused.
        scores: the model's metrics on the test part, as `test_NAME`.
    """

    name: str
    alias: str
    trial: int
    why: str
    version: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """The URI that loads the version; empty if there is none."""
        return f"models:/{self.name}/{self.version}" if self.version else ""

    @property
    def scores_text(self) -> str:
        """The scores in words, after a blank; empty if there are none."""
        scores = ", ".join(f"{k} {v:.4f}" for k, v in self.scores.items())
        return f" ({scores})" if scores else ""

    @property
    def sentence(self) -> str:
        """The outcome in a sentence."""
        if not self.version:
            return f"trial {self.trial} was not registered as {self.name}@{self.alias}: {self.why}"
        return (
            f"trial {self.trial} was registered as {self.name} version {self.version}{self.scores_text}, "
            f"which took the alias {self.alias}: {self.why}"
        )


def with_registration(earlier: Sequence[Registration], new: Registration) -> list[Registration]:
    """Returns the newest registrations, the newest first, one for each name and alias.

    A refusal does not replace the version that was registered before it.
    """
    others = [
        r for r in earlier if (r.name, r.alias) != (new.name, new.alias) or (r.version and not new.version)
    ]
    return [new, *others][:KEPT]
