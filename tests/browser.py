"""A real `mlflow server`, and its pages in a headless Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SIZE = {"width": 1600, "height": 1000}
PATIENCE_SECONDS = 180
NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # three processes more, for what nobody asks of it


def chromium() -> str | None:
    """Where the browser is; None where there is none, or nothing to drive it with."""
    with suppress(ImportError):
        import playwright.sync_api  # noqa: F401

        return shutil.which("chromium") or shutil.which("google-chrome")
    return None


@contextmanager
def served(uri: str, folder: Path) -> Iterator[str]:
    """MLflow's own server on a store; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=os.environ | NO_JOBS, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=10):
            return
        time.sleep(0.3)
    raise AssertionError(f"{url} does not answer")


@contextmanager
def opened() -> Iterator[Any]:
    """A page of the browser; what it waits for it waits for long."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(PATIENCE_SECONDS * 1000)
        yield page
        browser.close()


def show_trials(page: Any, server: str, experiment_id: str, metric: str) -> None:
    """The experiment's page, its newest study unfolded, with the metric's column."""
    page.goto(f"{server}/#/experiments/{experiment_id}/runs")
    page.locator("[row-index='0'] button").first.click()
    page.get_by_role("button", name="Columns").click()
    page.get_by_placeholder("Search columns").fill(metric)
    page.get_by_text(metric, exact=True).last.click()
    page.keyboard.press("Escape")
    page.locator(f"[role=columnheader]:has-text('{metric}')").first.wait_for()
