"""Fills the disk under a study at random moments, or makes it read-only: that of the artifacts or the store.

The disk is a small one in memory, which only the processes of the study see. It needs `unshare`, which lets
a user mount one.
"""

import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from stores import copied, migrated

from attack.light import (
    begin,
    check_clean,
    check_nothing_left,
    check_whole,
    command_that_goes_on,
    ended,
    search,
)
from attack.score import Score, run

TRIALS, WORKERS = 8, 2
CHECKPOINT = 200_000  # bytes
OWN = ("unshare", "--map-root-user", "--mount", "sh", "-c")
# $1: the small disk; $2: what is on it, before and after; $3: seconds from the first checkpoint; the command.
SCRIPT = """
disk=$1; kept=$2; seconds=$3; shift 3
mount -t tmpfs -o size=60m tmpfs "$disk" && cp -r "$kept/." "$disk" || exit 99
"$@" & study=$!
until [ -n "$(find "$disk" -name 'epoch-*')" ] || ! kill -0 $study; do sleep 0.1; done
sleep "$seconds"
{break_it}
wait $study; status=$?
{mend_it}
cp -r "$disk/." "$kept"
exit $status
"""
FAULTS = {
    "full": ('cat /dev/zero > "$disk/filler" 2>/dev/null', 'rm -f "$disk/filler"'),
    "read-only": (
        'until mount -o remount,ro "$disk" 2>/dev/null; do sleep 0.02; kill -0 $study || break; done',
        'mount -o remount,rw "$disk"',
    ),
}
KINDS = (("full", "artifacts"), ("full", "store"), ("read-only", "artifacts"))  # a store is open: it stays so


def can_mount() -> bool:
    return bool(shutil.which(OWN[0])) and not subprocess.run([*OWN, "true"], capture_output=True).returncode


def with_fault(fault: str, disk: Path, kept: Path, after: float, command: Sequence[str]) -> list[str]:
    """The command, under which the disk gets a fault after some seconds."""
    broken, mended = FAULTS[fault]
    script = SCRIPT.format(break_it=broken, mend_it=mended)
    return [*OWN, script, "sh", str(disk), str(kept), f"{after:.2f}", *command]


def go_through(folder: Path, fault: str, what: str, after: float) -> None:
    """A study meets a fault; what it says goes on with it where there is room again."""
    disk, kept = folder / "disk", folder / "kept"
    for path in (disk, kept):
        path.mkdir()
    uri = copied(migrated(folder.parent), disk)  # which is where its artifacts are said to be
    at = disk if what == "store" else folder
    shutil.move(disk / "mlflow.db", (kept if what == "store" else folder) / "mlflow.db")
    uri = f"sqlite:///{at}/mlflow.db"
    command = search(folder, TRIALS, WORKERS, size=CHECKPOINT)
    done = ended(begin(with_fault(fault, disk, kept, after, command), uri, folder))
    check_clean(done)
    check_nothing_left(uri, folder)
    shutil.copytree(kept, disk, dirs_exist_ok=True)
    again = ended(begin(command_that_goes_on(done), uri, folder))
    assert again.returncode == 0, again.stderr
    check_clean(again)
    check_nothing_left(uri, folder)
    check_whole(uri, TRIALS)


def attack(rounds: int, seed: int) -> Score:
    score, draw = Score("disks"), random.Random(seed)
    assert can_mount(), "no disk can be mounted here"
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            fault, what = KINDS[number % len(KINDS)]
            after = draw.uniform(0, 2)
            (place := Path(folder, str(number))).mkdir()
            with score.round(f"{fault}, {what}, after {after:.1f} s"):
                go_through(place, fault, what, after)
    return score


if __name__ == "__main__":
    run(attack, "rounds", 6)
