"""Texts that others wrote steer no terminal, spreadsheet or page, and what is no plain YAML is refused."""

import csv
import io
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from conftest import hpo, one_line_error
from rich.console import Console

from mlflow_hpo.errors import SpaceError, printable
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.formats import formatted
from mlflow_hpo.report.summary import escaped
from mlflow_hpo.space import Space, parse_space
from mlflow_hpo.space.configs import parse_given
from mlflow_hpo.space.plain import dump_plain
from mlflow_hpo.store import Connection, keys
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
        "a: !!set {b, c}",
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


LISTS = "\n".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))
MAPPINGS = "\n".join(f"a{i}: &a{i} {{b: *a{i - 1}, c: *a{i - 1}}}" for i in range(1, 60))


@pytest.mark.parametrize("text", [f"a0: &a0 [1]\n{LISTS}", f"a0: &a0 {{b: 1}}\n{MAPPINGS}"])
def test_what_aliases_make_far_too_large_is_one_line(text: str) -> None:
    larger = "not valid YAML: with its aliases it has more than 500,000 values"
    with pytest.raises(SpaceError, match=f"^space:1: {larger}$"):
        parse_space(text, "space")
    with pytest.raises(SpaceError, match=f"^start: .*{larger.partition(': ')[2]}$"):
        parse_given(text, "start", Space({}), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<: {a: [1, 2]}", "the tag !!merge is not read: leave it out"),
        ("!!set {a, b}", "the tag !!set is not read: leave it out"),
        ("a: 1" + "0" * 5000, "a: '10000000000000000000… (cut, of 5,001 characters)' is no int, or too long"),
        ("a: !!bool maybe", "a: 'maybe' is no bool, or too long for one"),
        ('a: ["\\uD800", b]', r"a[0]: '\ud800' has characters that no store keeps"),
        ('a: "b\\0"', r"a: 'b\x00' has characters that no store keeps"),
        ('"\\uD800": [1, 2]', r"'\ud800' is no name for a hyperparameter"),
    ],
)
def test_what_no_value_is_is_refused_in_its_own_words(text: str, said: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_space(text, "space")
    assert str(caught.value).startswith(f"space:1: {said}")


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "- {x: !!bool maybe}"])
def test_configs_to_begin_with_are_no_yaml(text: str) -> None:
    with pytest.raises(SpaceError, match=r"^start: not valid YAML: "):
        parse_given(text, "start", Space({}), {})


@pytest.mark.parametrize("space", [{"x": ["\ud800", "b"]}, {"\ud800": [1, 2]}])
def test_half_a_character_from_python_is_refused(space: dict[str, list[object]]) -> None:
    with pytest.raises(SpaceError, match=r"^space: '\\ud800' has characters that no store keeps$"):
        dump_plain(space)


MESSAGE = "the beginning " + "é" * 200_000


def test_a_long_message_is_cut_with_a_note_where_all_of_it_is(own_uri: str) -> None:
    Path("job.py").write_text(f"def objective(trial):\n    raise ValueError({MESSAGE!r} + ' the end')\n")
    Path("space.yaml").write_text("x: [1, 2]")
    options = (
        "--model",
        "job.py:objective",
        "--space",
        "space.yaml",
        "--max-trials",
        "1",
        "--metric",
        "loss",
    )
    done = hpo(own_uri, "search", *options, "--metric", "loss", "--workers", "1")
    client = Connection(own_uri).client
    [trial] = client.search_runs(["0"], "tags.`mlflow_hpo.trial` = '0'")
    note = f"(cut, of 200,022 characters), all of them in traceback.txt of run {trial.info.run_id}"
    reason = trial.data.tags[keys.REASON]
    assert reason.startswith("ValueError: the beginning éé")
    assert reason.endswith(note)
    for text in (done.stdout, done.stderr, trial.data.tags[keys.NOTE]):
        assert note in text
        assert len(text) < 12_000
    report = hpo(own_uri, "report", "--html", "page.html")
    assert note in report.stdout
    assert "traceback.txt" in Path("page.html").read_text()
    folder = mlflow.artifacts.download_artifacts(f"{trial.info.artifact_uri}/{keys.TRACEBACK_FILE}")
    assert f"{MESSAGE} the end" in Path(folder).read_text()


def test_a_long_word_of_a_command_is_not_repeated_whole(own_uri: str) -> None:
    said = one_line_error(hpo(own_uri, "search", "--model", "x" * 100_000))
    assert len(said) < 2_100
    assert said.endswith("characters)")
