"""Makes the pictures of the documents from a real study: python docs/screenshots.py

It needs Chromium, and playwright from the extra `test`; it takes about three minutes.
"""

import os
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

FIRST = ["--max-trials", "2", "--max-epochs", "1", "--register", "digits"]  # something to be better than
STUDY = ["--max-trials", "40", "--max-epochs", "9", "--scheduler", "asha", "--register", "digits"]
SIZE = {"width": 1360, "height": 850}
COLOURS = 256  # of a picture, which then has a third of the bytes
REST_S = 5  # MLflow's pages never stop talking to the server, so there is no silence to wait for
# MLflow opens the panel of its assistant over a fifth of the window, once in each browser.
NO_ASSISTANT = """localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"""


def main() -> None:
    """Run two studies, serve their store, and look at it."""
    from browser import opened, served

    (DOCS / "images").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        uri = f"sqlite:///{name}/mlflow.db"
        for options in (FIRST, STUDY):
            command = [str(Path(sys.executable).with_name("mlflow-hpo")), "search", *options]
            named = {"MLFLOW_TRACKING_URI": uri, "LOGNAME": "me"}
            subprocess.run(command, cwd=name, env=os.environ | named, check=True)
        with served(uri, Path(name)) as server, opened() as page:
            page.set_viewport_size(SIZE)
            page.add_init_script(NO_ASSISTANT)
            look(page, server, uri)


def look(page: Any, server: str, uri: str) -> None:
    """The experiment, the study, its report, the registered model; then plots of the report by itself."""
    from browser import show_trials

    from mlflow_hpo.store import LATEST, Connection, find_study

    connection = Connection(uri)
    run_id = find_study(connection, LATEST).run_id
    page.goto(server)
    page.get_by_label("Toggle sidebar").click()  # room for the metric's column
    show_trials(page, server, "0", "val_accuracy")
    shoot(page, "experiment")
    for name, place in {
        "report": f"/#/experiments/0/runs/{run_id}/artifacts/report.html",
        "model": "/#/models/digits/versions/2",
        "study": f"/#/experiments/0/runs/{run_id}",
    }.items():
        page.goto(server + place)
        if name == "study":
            page.get_by_text("Show more").click()
        shoot(page, name, mask=[page.get_by_text("Path:")], mask_color="white")  # of a temporary folder
    page.goto(f"file://{connection.client.download_artifacts(run_id, 'report.html')}")
    for name in ("curves", "slices"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        shoot(page.locator(f"#{name}"), name)


def shoot(place: Any, name: str, **how: Any) -> None:
    """Save what a page, or a part of one, shows once it has come to rest."""
    from PIL import Image

    time.sleep(REST_S)
    picture = Image.open(BytesIO(place.screenshot(**how))).convert("RGB")
    few = picture.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(DOCS / "images" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
