"""The documents say what there is."""

import inspect
import re
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT

from mlflow_hpo import cli
from mlflow_hpo.settings import OPTIONS, read_settings

README = (PROJECT / "README.md").read_text()
PAGES = sorted(
    p for folder in (".", "docs", "docs/examples", "benchmarks") for p in PROJECT.glob(f"{folder}/*.md")
)
NAMED_FILE = r"(?<![\w/.(\[])(?:mlflow_hpo|tests|examples|benchmarks|docs)/[\w./]*\w"  # links aside
MLPROJECT = yaml.safe_load((PROJECT / "MLproject").read_text())


@pytest.mark.parametrize("command", sorted(cli.cli.commands))
def test_every_command_is_in_readme_and_its_help_ends_in_an_example(command: str) -> None:
    assert f"mlflow-hpo {command}" in README
    assert "\n\nExample: mlflow-hpo " in inspect.cleandoc(cli.cli.commands[command].help or "")


def test_mlproject_passes_every_setting_with_its_default() -> None:
    main = MLPROJECT["entry_points"]["main"]
    given = {name: parameter["default"] for name, parameter in main["parameters"].items()}
    assert set(given) == set(OPTIONS) - {"project"}, "a project does not tune another one"
    assert read_settings(given) == read_settings({})
    for name in given:
        assert f"--{name.replace('_', '-')} {{{name}}}" in " ".join(main["command"].split())


def test_the_command_line_is_made_of_the_settings_and_their_defaults() -> None:
    options = {p.name: p.default for p in cli.cli.commands["search"].params}
    assert set(OPTIONS) <= set(options)
    assert read_settings({name: options[name] for name in OPTIONS if name != "project"}) == read_settings({})


def test_every_setting_has_a_help_text_and_is_explained_in_the_documents() -> None:
    table = README + (PROJECT / "docs" / "settings.md").read_text()
    for name, field in OPTIONS.items():
        assert field.description, name
        assert f"`{name}`" in table, f"{name} is not explained"


def test_readme_links_every_document() -> None:
    links = set(re.findall(r"\]\(([^)#]+\.md)\)", README))
    assert {str(page.relative_to(PROJECT)) for page in PAGES} <= links | {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_and_names_of_files_in_documents_lead_somewhere(page: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        other = (page.parent / link).resolve() if link else page
        assert other.exists(), link
        assert not anchor or anchor in anchors(other.read_text()), f"{link}#{anchor}"
    for name in re.findall(NAMED_FILE, page.read_text()):
        assert (PROJECT / name).exists(), name


def anchors(text: str) -> set[str]:
    """Those that GitHub gives a document's headings."""
    heads = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
