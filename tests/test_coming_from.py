"""Each `after` snippet of docs/coming_from.md runs as the script it is, on fewer trials."""

import re
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, run_command

SECTIONS = dict(
    re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", (PROJECT / "docs" / "coming_from.md").read_text(), re.M | re.S)
)
NEEDS = {"KerasTuner": "keras_tuner", "Optuna": "optuna", "Ray Tune": "ray"}
TRIALS = 3


def snippets(section: str, kind: str) -> list[str]:
    return re.findall(rf"^```python{kind}\n(.*?)^```", SECTIONS[section], re.M | re.S)


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_what_a_section_shows_works(uri: str, section: str) -> None:
    if section in NEEDS:
        pytest.importorskip(NEEDS[section], reason="an extra")
    [after] = snippets(section, " after")
    text = "\n".join([*snippets(section, ""), re.sub(r"max_trials=\d+", f"max_trials={TRIALS}", after)])
    assert f"max_trials={TRIALS}" in text
    Path("snippet.py").write_text(text + "\nprint('trials', len(study.trials), study.best_config)\n")
    done = run_command([sys.executable, "snippet.py"], uri, Path.cwd())
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"trials {TRIALS} {{" in done.stdout


def test_every_section_has_a_table_and_a_pair() -> None:
    assert len(SECTIONS) == 5
    for section, text in SECTIONS.items():
        assert text.lstrip().startswith("| there | here |")
        assert len(snippets(section, " before")) == len(snippets(section, " after")) == 1
