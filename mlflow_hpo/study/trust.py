"""Keeps others from choosing, by the tags of a study, what code a user's commands run.

Whoever may write to the tracking store may change what a study says of its model. So each study that a user
begins or goes on with leaves a digest of what it runs in a file of this user's, outside the store. Where the
study says the same later, it goes on; else the user names the code again, or the digest.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import StudyError, without_passwords
from mlflow_hpo.models import is_builtin
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import OWN_LOOP
from mlflow_hpo.user_code import GIVEN, is_reference

if TYPE_CHECKING:
    from mlflow_hpo.store import StudyRun
    from mlflow_hpo.study.source import Given

CONTENT = "from Python, "  # before the digest of what is unpickled
SHOWN = 16  # hexadecimal digits of a digest
_of_this_process: dict[str, str] = {}  # as the file, for a user whose folder cannot be written to


def runs_code(info: StudyInfo) -> dict[str, str]:
    """Returns what a study imports, unpickles or starts, by setting; empty if all of it is ours."""
    settings, parts = info.settings, dict[str, str]()
    if settings.project:
        project = without_passwords(json.dumps(settings.project.model_dump(), sort_keys=True))
        parts["project"] = f"{project} at commit {info.commit}" if info.commit else project
    elif not is_builtin(settings.model) and settings.model != OWN_LOOP:
        parts["model"] = f"{CONTENT}{info.code}" if info.code else settings.model
    if settings.data and is_reference(settings.data) and not settings.data.startswith(GIVEN):
        parts["data"] = settings.data
    elif info.data_content:
        parts["data"] = f"{CONTENT}{info.data_content}"
    contents = {"space": info.options, "metric": info.scorer, "callbacks": info.callbacks}
    parts |= {name: f"{CONTENT}{digest}" for name, digest in contents.items() if digest}
    if settings.callbacks:
        parts.setdefault("callbacks", settings.callbacks)
    if is_reference(settings.algorithm) and not settings.algorithm.startswith("optuna:"):
        parts["algorithm"] = settings.algorithm
    return parts


def remember(run_id: str, info: StudyInfo) -> None:
    """Notes for this user what a study runs; where that cannot be written, for this process."""
    if not (parts := runs_code(info)):
        return
    _of_this_process[run_id] = _digest(parts)
    file = _file(run_id)
    with suppress(OSError):
        file.parent.mkdir(0o700, parents=True, exist_ok=True)
        file.write_text(_digest(parts), encoding="ascii")


def check_trusted(
    run: "StudyRun",
    info: StudyInfo,
    options: Mapping[str, Any],
    given: "Given",
    trust: str,
    say: Callable[[str], None],
) -> None:
    """Checks that this user has begun a study as it is, names what it runs, or trusts its digest.

    Args:
        options, given: what the command names itself, and what Python gives.
        trust: the digest that the user names; empty: none.
        say: is told what is run because of that.

    Raises:
        StudyError: another may have chosen what would run.
    """
    parts = runs_code(info)
    unnamed = {name: what for name, what in parts.items() if not _is_named(name, what, options, given)}
    digest, known = _digest(parts), _remembered(run.run_id)
    if not unnamed or digest == known:
        return
    owner, what = run.owner, _words(unnamed)
    if trust and len(trust) >= SHOWN and digest.startswith(trust.lower()):
        say(f"study {run.run_id} of {owner} runs {what}: trusted by its digest {digest[:SHOWN]}")
        return
    why = "other code than when you last ran it here" if known else "code that you have not run here"
    raise StudyError(
        f"study {run.run_id} of {owner} would run {why}: {what}; {_ways(unnamed)}--trust {digest[:SHOWN]} "
        "if you know it to be right"
    )


def check_resumable(
    run: "StudyRun",
    info: StudyInfo,
    options: Mapping[str, Any],
    given: "Given",
    trust: str,
    say: Callable[[str], None],
) -> None:
    """Checks that a study can be gone on with here, and may be; see `check_trusted`.

    Raises:
        StudyError: its trials are trained by its user's own loop; or another may have chosen what would run.
    """
    if info.settings.model == OWN_LOOP:
        raise StudyError(
            f"study {run.run_id} is told its results by its user's own loop: go on with it there, by "
            f"mlflow_hpo.open_study(resume={run.run_id!r})"
        )
    check_trusted(run, info, options, given, trust, say)


def _is_named(name: str, what: str, options: Mapping[str, Any], given: "Given") -> bool:
    """Tells whether a command gives what a study runs, and not only something of that name."""
    if what.startswith(CONTENT):
        content = {"model": given.code, "data": given.data, "metric": given.scorer, "space": given.options}
        content["callbacks"] = given.callbacks
        return bool(content[name])
    return bool(options.get(name) == what)


def _words(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {what}" for name, what in parts.items())


def _ways(unnamed: Mapping[str, str]) -> str:
    if "project" in unnamed:
        return "give "
    if any(what.startswith(CONTENT) for what in unnamed.values()):
        return "give it again from Python, or "
    return "name it again, as --" + " --".join(f"{n} {quote(w)}" for n, w in unnamed.items()) + ", or "


def _digest(parts: Mapping[str, str]) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _remembered(run_id: str) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return _file(run_id).read_text(encoding="ascii").strip()
    return _of_this_process.get(run_id, "")


def _file(run_id: str) -> Path:
    """Returns a study's file; a store may give ids that are no name for one."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "mlflow-hpo" / "studies" / sha256(run_id.encode()).hexdigest()[:32]
