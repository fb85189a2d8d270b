"""Prints how large the package is; ends with status 1 if a part of it is larger than it may be.

Usage: python .ci/size.py [FOLDER of the package; without it: mlflow_hpo]
"""

import ast
import sys
from pathlib import Path

MOST_ROOT_MODULES = 11
MOST_LINES_OF_FILE = 300
MOST_LINES_OF_CLASS = 150


def main(package: Path) -> int:
    """Prints the sizes of a package and what is too large; returns the exit status."""
    root_modules = len(list(package.glob("*.py")))
    files = file_sizes(package)
    classes = [size for path in files for size in class_sizes(package / path, path)]
    print(f"modules at the root: {root_modules} (at most {MOST_ROOT_MODULES})")
    print(f"longest file: {longest(list(files.items()))} (at most {MOST_LINES_OF_FILE})")
    print(f"longest class: {longest(classes)} (at most {MOST_LINES_OF_CLASS})")
    print(f"all files: {sum(files.values())} lines")

    faults = too_long(list(files.items()), MOST_LINES_OF_FILE) + too_long(classes, MOST_LINES_OF_CLASS)
    if root_modules > MOST_ROOT_MODULES:
        faults.insert(0, f"{package.name}/ holds {root_modules} modules, at most {MOST_ROOT_MODULES}")
    if faults:
        print(f"Error: too large: {'; '.join(faults)}", file=sys.stderr)
    return int(bool(faults))


def file_sizes(package: Path) -> dict[str, int]:
    """Returns the lines of each Python file, by its path from the folder that holds the package."""
    paths = sorted(package.rglob("*.py"))
    return {p.relative_to(package).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in paths}


def class_sizes(file: Path, path: str) -> list[tuple[str, int]]:
    """Returns name and lines of each class of a file, decorators aside, nested classes too."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    return [(f"{path}:{c.name}", (c.end_lineno or c.lineno) - c.lineno + 1) for c in classes]


def longest(sizes: list[tuple[str, int]]) -> str:
    """Returns the largest of some sizes in words; `none` if there are none."""
    name, lines = max(sizes, key=lambda size: size[1], default=("none", 0))
    return f"{name}, {lines} lines"


def too_long(sizes: list[tuple[str, int]], most: int) -> list[str]:
    """Returns a clause for each size above the most that it may be."""
    return [f"{name} has {lines} lines, at most {most}" for name, lines in sizes if lines > most]


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "mlflow_hpo"
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else default))
