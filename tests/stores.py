"""SQLite stores: MLflow's migrations run once, and every store is a copy of what they made."""

import fcntl
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow_hpo.store import Connection

MIGRATED = "migrated.db"


def migrated(folder: Path) -> Path:
    """The file of a store with nothing in it. The first process that asks makes it, others wait for that."""
    file = folder / MIGRATED
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            making = folder / "making.db"
            Connection(f"sqlite:///{making}")
            making.replace(file)
    return file


def copied(file: Path, folder: Path) -> str:
    """The address of a new store in a folder, where its default experiment's artifacts lie as well."""
    store = shutil.copyfile(file, folder / "mlflow.db")
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("UPDATE experiments SET artifact_location = ?", (f"{folder}/mlruns/0",))
    return f"sqlite:///{store}"
