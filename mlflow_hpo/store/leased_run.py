"""A study's run as what one process at a time may write to: the one that holds its lease."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mlflow_hpo.errors import RunDeletedError, StoreError
from mlflow_hpo.store.connection import Connection
from mlflow_hpo.store.lease import Lease, leased


class LeasedRun:
    """A study's run, and the lease while this process drives it.

    Attributes:
        tags: those of the run, as they were read or written last.
    """

    connection: Connection
    run_id: str
    tags: Mapping[str, str]
    lease: Lease | None = None

    @contextmanager
    def driven(
        self, say: Callable[[str], None], check: Callable[[], None], take_over: bool = False
    ) -> Iterator[None]:
        """Makes this process the study's driver for the time of the block; see `leased`.

        Raises:
            StudyError: another process drives it.
        """
        with leased(self.connection, self.run_id, say, check, take_over) as self.lease:
            try:
                yield
            finally:
                self.lease = None

    def check_lease(self) -> None:
        """Checks, if this process drives the study, that no other one does by now.

        Raises:
            SupersededError: one does.
        """
        if self.lease:
            self.lease.check()

    def _tag(self, tags: Mapping[str, str]) -> None:
        with self._writing():
            self.connection.write(self.run_id, tags=tags)
        self.tags = {**self.tags, **tags}

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Ends a study that another process drives by now, or whose own run somebody has deleted."""
        self.check_lease()
        try:
            with self.connection.writing(self.run_id):
                yield
        except RunDeletedError as error:
            raise StoreError(
                f"study {self.run_id}: its run was deleted while it ran: restore it and resume, or begin "
                "another study"
            ) from error
