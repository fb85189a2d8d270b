"""Whether this process is a notebook's kernel: nothing heavy is imported to tell."""

import sys
import warnings
from contextlib import suppress
from importlib import import_module


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def without_widgets() -> None:
    """Import tqdm, which Hyperopt uses, without its warning that there are no widgets: we need none."""
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")
        import_module("tqdm.auto")
