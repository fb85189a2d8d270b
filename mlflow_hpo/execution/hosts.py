"""Leaves out a host that loses one unit after the other."""

from collections.abc import Callable, Iterable

LOSSES = 3  # different units that a host may lose one after the other


class Hosts:
    """What the hosts of a cluster have lost.

    Attributes:
        left_out: those that are given nothing more.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """Sets up; `say` is told which host is left out."""
        self._say, self._losses = say, dict[str, set[str | None]]()  # host -> the units that it lost last
        self.left_out = set[str]()

    def note(self, host: str, near: str | None, is_lost: bool, hosts: Iterable[str]) -> None:
        """Notes how a unit ended, and leaves the host out if that is too much and it is not the last.

        Args:
            is_lost: the unit was, with its worker or the host; else it was answered.
            hosts: those that have slots now.
        """
        lost = self._losses.setdefault(host, set())
        if not is_lost:
            lost.clear()
            return
        lost.add(near)
        others = set(hosts) - self.left_out - {host}
        if len(lost) >= LOSSES and others and host not in self.left_out:
            self.left_out.add(host)
            self._say(f"host {host} is left out: it lost {len(lost)} units one after the other")
