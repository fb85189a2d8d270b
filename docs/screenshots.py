"""Makes the pictures of the documents from a real study: python docs/screenshots.py

It needs Chromium, and playwright from the extra `test`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

STUDY = ["--max-trials", "24", "--max-epochs", "9", "--scheduler", "asha", "--register", "digits"]


def main() -> None:
    """Run the study, serve its store, and look at it."""
    from browser import opened, served

    (DOCS / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        uri = f"sqlite:///{name}/mlflow.db"
        command = [sys.executable, "-m", "mlflow_hpo", "search", *STUDY]
        subprocess.run(command, cwd=name, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, check=True)
        with served(uri, Path(name)) as server, opened() as page:
            look(page, server, uri)


def look(page: Any, server: str, uri: str) -> None:
    """The experiment, the study, its report, the registered model."""
    from browser import show_trials

    from mlflow_hpo.store import LATEST, Connection, find_study

    run_id = find_study(Connection(uri), LATEST).run_id
    show_trials(page, server, "0", "val_accuracy")
    shoot(page, "experiment")
    for name, place in {
        "study": f"/#/experiments/0/runs/{run_id}",
        "report": f"/#/experiments/0/runs/{run_id}/artifacts/report.html",
        "model": "/#/models/digits/versions/1",
    }.items():
        page.goto(server + place)
        shoot(page, name)


def shoot(page: Any, name: str) -> None:
    """Save what the page shows once it has come to rest."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2000)
    page.screenshot(path=DOCS / "images" / f"{name}.png")


if __name__ == "__main__":
    main()
