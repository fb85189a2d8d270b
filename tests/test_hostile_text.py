"""Texts that others wrote steer no terminal, spreadsheet or page, and what is no plain YAML is refused."""

import csv
import io

import pandas as pd
import pytest
from rich.console import Console

from mlflow_hpo.errors import SpaceError, printable
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.formats import formatted
from mlflow_hpo.report.summary import escaped
from mlflow_hpo.space import parse_space
from mlflow_hpo.study.progress import config_text

STEERING = "\x1b]0;title\x07\x1b[2Jgone\r\x9b31m"


def frame(value: object) -> pd.DataFrame:
    return pd.DataFrame({"rank": [1], "status": ["finished"], "gain": [-0.5], "run_id": ["r"], "=x": [value]})


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_is_given_no_formula(value: str) -> None:
    [head, row] = csv.reader(io.StringIO(formatted(frame(value), "csv"), newline=""))
    assert (head[-1], row[-1]) == ("'=x", "'" + printable(value))
    assert row[2] == "-0.5", "a number is no formula"


def test_markdown_is_given_no_html_and_no_cells() -> None:
    written = formatted(frame("<img src=x onerror=alert(1)>|a\nb"), "markdown")
    assert "&lt;img src=x onerror=alert(1)&gt;\\|a b" in written
    assert len(written.splitlines()) == 3
    assert escaped("a & b") == "a &amp; b"


def test_a_terminal_is_not_steered() -> None:
    shown = "\\x1b]0;title\\x07\\x1b[2Jgone\\x0d\\x9b31m"
    assert printable(STEERING) == shown
    assert printable("words\n\tin lines: é, 字") == "words\n\tin lines: é, 字"
    out = io.StringIO()
    print_line(Console(file=out, force_terminal=True, no_color=True, width=200), STEERING)
    assert shown in out.getvalue()
    assert config_text({"x": STEERING}) == f"x={shown}"
    assert shown in formatted(frame(STEERING), "table")


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['ls']",
        "a: [1, !!python/tuple [1, 2]]",
        "a: [1, !!python/name:os.system '']",
        "a: [[1, !!python/name:os.system '']]",
        "a: !own {type: int, low: 1, high: 2}",
        "a: [1, !own {b: {c: [1, 2]}}]",
    ],
)
def test_a_tag_is_refused_by_its_name(text: str) -> None:
    tag = text[text.index("!") :].split()[0]
    with pytest.raises(SpaceError, match=rf"^space:1: a.*: the tag {tag} is not read: leave it out$"):
        parse_space(text, "space")


def test_of_many_faults_ten_are_listed() -> None:
    with pytest.raises(SpaceError) as caught:
        parse_space("\n".join(f"a{i}: {{type: word}}" for i in range(1000)), "space")
    lines = str(caught.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 990 more"


@pytest.mark.parametrize(
    "text", ["a: " + "[" * 3000 + "]" * 3000, "a: " + "[1, {b: " * 1500 + "[1, 2]" + "}]" * 1500]
)
def test_what_is_nested_too_deep_is_one_line(text: str) -> None:
    with pytest.raises(SpaceError, match=r"^space:1: .*too deep$"):
        parse_space(text, "space")
