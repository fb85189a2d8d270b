"""How a registration came out, as the store, the page and the commands tell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KEPT = 3  # registrations that a study keeps


@dataclass(frozen=True)
class Registration:
    """A model that the registry took, or that the gate refused.

    Attributes:
        trial: the number of the trial whose model it is.
        why: on what ground, in words.
        version: the new version; empty where it was refused.
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
        """Where the version is loaded from; empty where there is none."""
        return f"models:/{self.name}/{self.version}" if self.version else ""

    @property
    def tested(self) -> str:
        """The scores in words, after a blank; empty without any."""
        scores = ", ".join(f"{k} {v:.4f}" for k, v in self.scores.items())
        return f" ({scores})" if scores else ""

    @property
    def said(self) -> str:
        """What came out, in a sentence."""
        if not self.version:
            return f"trial {self.trial} was not registered as {self.name}@{self.alias}: {self.why}"
        return (
            f"trial {self.trial} was registered as {self.name} version {self.version}{self.tested}, "
            f"which took the alias {self.alias}: {self.why}"
        )


def with_registration(known: Sequence[Registration], new: Registration) -> list[Registration]:
    """The newest first, and of each name and alias one; a refusal leaves what was registered before."""
    others = [
        o for o in known if (o.name, o.alias) != (new.name, new.alias) or (o.version and not new.version)
    ]
    return [new, *others][:KEPT]
