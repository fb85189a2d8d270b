import subprocess
import sys

import click
import pytest
from conftest import environment, hpo, one_line_error

from mlflow_hpo.cli import cli


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom mlflow_hpo import cli\n"
        "try:\n    cli.main()\nfinally:\n"
        "    print(sorted({'mlflow', 'hyperopt', 'pandas', 'numpy', 'rich'} & set(sys.modules)))"
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


@pytest.mark.parametrize(
    ("words", "force", "dry_run", "studies"),
    [
        ("", False, False, ()),
        ("--force latest", True, False, ("latest",)),
        ("--dry-run --force", True, True, ()),
        ("--force true --dry-run false a b", True, False, ("a", "b")),
        ("a --force=false --dry-run", False, True, ("a",)),
    ],
)
def test_a_switch_stands_alone_or_before_true_or_false(
    words: str, force: bool, dry_run: bool, studies: tuple[str, ...]
) -> None:
    with cli.commands["report"].make_context("report", words.split()) as context:
        assert isinstance(context, click.Context)
        assert (context.params["force"], context.params["dry_run"]) == (force, dry_run)
        assert context.params["studies"] == studies


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["search", "--force"], "force"),
        (["report", "--force"], "force"),
        (["report", "--alias", "other"], "alias"),
        (["report", "latest", "--dry-run", "true"], "dry-run"),
    ],
)
def test_how_to_register_needs_a_name_to_register_under(arguments: list[str], option: str) -> None:
    said = one_line_error(hpo("sqlite:///none.db", *arguments))
    assert said == f"Error: {option}: is for registering: give --register NAME"
