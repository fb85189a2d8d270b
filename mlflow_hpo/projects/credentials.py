"""Gives git the password in a project's address, without showing it to others on this machine."""

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit, urlunsplit

from mlflow_hpo.errors import HIDDEN

COUNT = "GIT_CONFIG_COUNT"  # git reads settings from GIT_CONFIG_KEY_0, GIT_CONFIG_VALUE_0 and so on


@contextmanager
def bare_address(uri: str) -> Iterator[str]:
    """Gives the address of a git repository without user and password, which git meanwhile knows.

    It has them from the environment: in the address they would stand on git's command line, in MLflow's log
    and in the repository's files. An address without the password that it had is given bare: git may know it.
    """
    parts = urlsplit(uri)
    secret, at, host = parts.netloc.rpartition("@")
    if not at or not parts.scheme.startswith("http") or parts.path.endswith(".zip"):
        yield uri
        return
    settings = {} if secret == HIDDEN else _settings(f"{parts.scheme}://{host}/", unquote(secret))
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield urlunsplit(parts._replace(netloc=host))
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _settings(site: str, secret: str) -> dict[str, str]:
    """Returns the variables that make git send user and password to a site, beside those there are."""
    number = int(os.environ.get(COUNT) or 0)
    login = b64encode((secret if ":" in secret else f"{secret}:").encode()).decode()
    return {
        COUNT: str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{site}.extraHeader",
        f"GIT_CONFIG_VALUE_{number}": f"Authorization: Basic {login}",
    }
