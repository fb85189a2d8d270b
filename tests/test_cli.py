import subprocess
import sys

import pytest
from conftest import environment


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom mlflow_hpo import cli\n"
        "try:\n    cli.main()\nfinally:\n"
        "    print(sorted({'mlflow', 'hyperopt', 'pandas', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(""),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_and_the_console_command_are_the_same() -> None:
    said = [
        subprocess.run(
            [*command, "--help"], env=environment(""), capture_output=True, text=True, check=True
        ).stdout
        for command in (["mlflow-hpo"], [sys.executable, "-m", "mlflow_hpo"])
    ]
    assert said[0] == said[1]
    assert "search" in said[0]
