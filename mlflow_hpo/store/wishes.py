"""What people ask of a running study by hand: tags of its run, which its driver sees with its next beat."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, checked, to_json
from mlflow_hpo.store.repeats import deleting

ADD, STOP, FAIL = "add", "stop", "fail"


@dataclass(frozen=True)
class Wish:
    """One thing that is asked for.

    Attributes:
        key: the tag that holds it.
        what: `add`, `stop` or `fail`.
        config: to be tried, of `add`.
        trial: the number of the trial that is to be stopped or to fail.
        reason: why, in words.
    """

    key: str
    what: str
    config: Mapping[str, Any] | None = None
    trial: int = -1
    reason: str = ""


def wish(connection: Connection, run_id: str, what: str, **more: Any) -> None:
    """Asks a study for something."""
    tag = {keys.WISH + uuid4().hex[:8]: to_json({"what": what, **more})}
    connection.write(run_id, tags=checked(tag))


def wishes_in(tags: Mapping[str, str]) -> list[Wish]:
    """Returns what a run's tags ask for; what cannot be read asks for nothing."""
    found = list[Wish]()
    for key in sorted(key for key in tags if key.startswith(keys.WISH)):
        try:
            asked = json.loads(tags[key])
            found.append(Wish(key, **asked))
        except (ValueError, TypeError):
            found.append(Wish(key, ""))
    return found


def fulfilled(connection: Connection, run_id: str, done: Wish) -> None:
    """Takes a wish off a study's run."""
    with deleting():
        connection.client.delete_tag(run_id, done.key)
