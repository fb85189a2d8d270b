"""The files that a study keeps among its run's artifacts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.artifacts import download_artifacts, load_text
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StudyError, without_secrets, worded
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection


class StudyArtifacts:
    """Writes and reads the artifacts of one study's run.

    What reads raises a StudyError if the file is missing.
    """

    def __init__(self, connection: Connection, run: Run) -> None:
        self._client, self._run_id, self._root = connection.client, run.info.run_id, run.info.artifact_uri

    @property
    def space_text(self) -> str:
        """The space, as it was when the study began."""
        return self._text(keys.SPACE_FILE)

    @property
    def start_text(self) -> str:
        """The configs to try first, as they were given."""
        return self._text(keys.START_FILE)

    def keep_space(self, space_text: str, start_text: str) -> None:
        """Keeps the space and, if there are some, the configs to try first."""
        self._client.log_text(self._run_id, space_text, keys.SPACE_FILE)
        if start_text:
            self._client.log_text(self._run_id, start_text, keys.START_FILE)

    def keep_content(self, file: Path) -> None:
        """Keeps what Python gave, under its digest, which is the file's name."""
        self._client.log_artifact(self._run_id, str(file), keys.CONTENTS)

    def fetch_content(self, digest: str, folder: Path) -> None:
        """Copies what Python gave into a folder."""
        with self._reading("what Python gave it"):
            download_artifacts(f"{self._root}/{keys.CONTENTS}/{digest}", dst_path=str(folder))

    def keep_page(self, html: str) -> None:
        """Keeps the report's page, in place of an earlier one."""
        self._client.log_text(self._run_id, without_secrets(html, named=False), keys.PAGE_FILE)

    def _text(self, file: str) -> str:
        with self._reading(f"its {file}"):
            return str(load_text(f"{self._root}/{file}"))

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, OSError) as error:
            raise StudyError(f"study {self._run_id} has lost {what}: {worded(error, whole=False)}") from error
