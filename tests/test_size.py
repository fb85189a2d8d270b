"""`.ci/size.py` measures the package and refuses what has grown too large."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

SCRIPT = PROJECT / ".ci" / "size.py"


def class_of(lines: int, name: str = "Long") -> str:
    return f"class {name}:\n" + "    x = 1\n" * (lines - 1)


def measure(package: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(package)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package at every limit: 11 modules at its root, a file of 300 lines, a class of 150."""
    root = tmp_path / "made_up"
    (root / "room").mkdir(parents=True)
    for number in range(11):
        (root / f"module{number}.py").write_text("x = 1\n" * number)
    (root / "room" / "__init__.py").write_text("")
    (root / "room" / "file.py").write_text("x = 1\n" * 150 + class_of(150))
    (root / "room" / "not_code.yaml").write_text("x: 1\n" * 1000)
    return root


def test_a_package_at_the_limits_passes_and_its_sizes_are_printed(package: Path) -> None:
    done = measure(package)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "modules at the root: 11 (at most 11)",
        "longest file: room/file.py, 300 lines (at most 300)",
        "longest class: room/file.py:Long, 150 lines (at most 150)",
        "all files: 355 lines",
    ]


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("module11.py", "", "made_up/ holds 12 modules, at most 11"),
        ("room/more.py", "x = 1\n" * 301, "room/more.py has 301 lines, at most 300"),
        ("room/more.py", class_of(151), "room/more.py:Long has 151 lines, at most 150"),
        (
            "room/more.py",
            "class Outer:\n    class Inner:\n" + "        x = 1\n" * 150,
            "room/more.py:Outer has 152 lines, at most 150; room/more.py:Inner has 151 lines, at most 150",
        ),
    ],
    ids=["modules", "file", "class", "nested class"],
)
def test_what_is_too_large_is_named_in_one_line(package: Path, file: str, text: str, fault: str) -> None:
    (package / file).write_text(text)
    done = measure(package)
    assert done.returncode == 1
    assert done.stderr == f"Error: too large: {fault}\n"


def test_without_a_folder_it_measures_this_package() -> None:
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = sum(len(f.read_text().splitlines()) for f in (PROJECT / "mlflow_hpo").rglob("*.py"))
    assert f"all files: {lines} lines" in done.stdout
