"""Gives metrics and params names that MLflow takes, and refuses names of models that it does not."""

import re
from collections.abc import Iterable
from hashlib import sha256
from posixpath import normpath

from mlflow_hpo.errors import ConfigError

LONGEST = 250  # characters of a name
REFUSED = re.compile(r"[^\w\-./: ]")
DIGEST = 8  # hexadecimal digits
USUAL_ALIASES = ("challenger", "champion")


def legal(name: str) -> str:
    """Returns the name under which MLflow takes a metric or param: `recall@5` becomes `recall_at_5`."""
    if _is_legal(name):
        return name
    words = REFUSED.sub("_", name.replace("@", "_at_"))
    parts = (part.strip() for part in words.split("/"))
    path = "/".join("__" if part == ".." else part for part in parts if part not in ("", "."))
    path = "__" + path[2:] if path.startswith("..") else path
    return path or "_" if len(path) <= LONGEST else _marked(path, name)


class Names:
    """Names of one run: each has a legal one, and no two the same."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}  # name -> the legal one

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """Returns the legal name of each; a name has the same one at each call."""
        names = list(names)
        for name in sorted(set(names) - set(self.given), key=lambda name: (not _is_legal(name), name)):
            short = legal(name)
            self.given[name] = _marked(short, name) if short in self.given.values() else short
        return {name: self.given[name] for name in names}

    @property
    def renamed(self) -> dict[str, str]:
        """The names that MLflow does not take, each with its legal one."""
        return {name: short for name, short in self.given.items() if name != short}


def shortened(text: str, most: int) -> str:
    """Returns a text for people that has at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _is_legal(name: str) -> bool:
    """Tells whether MLflow takes a name, and every database keeps it apart from others."""
    is_path = normpath(name) == name and name != "." and not name.startswith(("/", ".."))
    return is_path and not REFUSED.search(name) and name == name.strip() and len(name) <= LONGEST


def _marked(short: str, name: str) -> str:
    """Returns a legal name with a digest of the name that it stands for."""
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:DIGEST]
    return f"{short[: LONGEST - DIGEST - 1].rstrip('/ ')}_{digest}"


def check_registration(
    name: str | None, alias: str, option: str = "register", wanted: Iterable[str] = ()
) -> None:
    """Raises ConfigError if MLflow's registry would refuse the model's name or the alias.

    Args:
        option: what the name was given as.
        wanted: options about registering that are given, for which there must be a name.
    """
    if name is None and (vain := next(iter(wanted), None)):
        raise ConfigError(f"{vain.replace('_', '-')}: is for registering: give --register NAME")
    if name is not None and (not name.strip() or set(name) & set("/:")):
        raise ConfigError(f"{option}: {name!r} is no name for a model: it is blank or holds / or :")
    reserved = alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias)
    if reserved or not re.fullmatch(r"[\w\-]{1,255}", alias):
        raise ConfigError(
            f"alias: {alias!r} is no alias: take letters, digits, - and _, but not latest or v1; "
            f"known are {', '.join(USUAL_ALIASES)}"
        )
