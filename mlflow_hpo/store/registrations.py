"""How an attempt to register came out, for the store, the page and the commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KEPT = 3  # registrations that a study keeps


@dataclass(frozen=True)
class Registration:
    """A model that the registry took, or that the gate refused.

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
        """The address that the version is loaded from; empty if there is none."""
        return f"models:/{self.name}/{self.version}" if self.version else ""

    @property
    def tested(self) -> str:
        """The scores in words, after a blank; empty if there are none."""
        scores = ", ".join(f"{k} {v:.4f}" for k, v in self.scores.items())
        return f" ({scores})" if scores else ""

    @property
    def sentence(self) -> str:
        """The registration in a sentence."""
        if not self.version:
            return f"trial {self.trial} was not registered as {self.name}@{self.alias}: {self.why}"
        return (
            f"trial {self.trial} was registered as {self.name} version {self.version}{self.tested}, "
            f"which took the alias {self.alias}: {self.why}"
        )


def with_registration(earlier: Sequence[Registration], new: Registration) -> list[Registration]:
    """Returns the registrations to keep, newest first.

    A new one replaces those of the same name and alias, but a refusal does not replace a version.
    """
    place = (new.name, new.alias)
    others = [o for o in earlier if (o.name, o.alias) != place or (o.version and not new.version)]
    return [new, *others][:KEPT]
