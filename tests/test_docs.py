"""The documents say what there is."""

import inspect
import re

import pytest
import yaml
from conftest import PROJECT

from mlflow_hpo import cli
from mlflow_hpo.settings import Settings, make_settings

README = (PROJECT / "README.md").read_text()
MLPROJECT = yaml.safe_load((PROJECT / "MLproject").read_text())


@pytest.mark.parametrize("command", sorted(cli.cli.commands))
def test_every_command_is_in_readme_and_its_help_ends_in_an_example(command: str) -> None:
    assert f"mlflow-hpo {command}" in README
    assert "\n\nExample: mlflow-hpo " in inspect.cleandoc(cli.cli.commands[command].help or "")


def test_mlproject_passes_every_setting_with_its_default() -> None:
    main = MLPROJECT["entry_points"]["main"]
    given = {name: parameter["default"] for name, parameter in main["parameters"].items()}
    assert make_settings(given) == make_settings({})
    every = {f.alias or name for name, f in Settings.model_fields.items()}
    assert set(given) == every - {"project"}  # a project does not tune another one
    for name in given:
        assert f"--{name.replace('_', '-')} {{{name}}}" in " ".join(main["command"].split())


def test_the_command_line_has_the_same_options_and_defaults() -> None:
    defaults = {name.replace("-", "_"): default for name, (default, _) in cli.OPTIONS.items()}
    assert make_settings(dict(defaults)) == make_settings({})
    assert set(defaults) == set(make_settings({}).dump())


def test_every_setting_is_explained_in_readme() -> None:
    for name in make_settings({}).dump():
        assert f"`{name}`" in README


def test_every_document_is_linked_and_every_link_leads_somewhere() -> None:
    links = set(re.findall(r"\]\(((?:docs|benchmarks)/[^)#]+)\)", README))
    assert all((PROJECT / link).exists() for link in links)
    assert {str(p.relative_to(PROJECT)) for p in (PROJECT / "docs").rglob("*.md")} <= links


def test_links_between_documents_lead_somewhere() -> None:
    for page in (PROJECT / "docs").rglob("*.md"):
        for link, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
            other = (page.parent / link).resolve() if link else page
            assert other.exists(), f"{page}: {link}"
            assert not anchor or anchor in anchors(other.read_text()), f"{page}: {link}#{anchor}"


def anchors(text: str) -> set[str]:
    """Those that GitHub gives a document's headings."""
    heads = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
