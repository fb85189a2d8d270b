"""Bad inputs of every kind, drawn at random, and where they are given.

Each kind is a function that draws an input, gives it, and returns what was said and a word that is in that.
"""

import json
import random
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from commands import called
from conftest import environment
from mlflow.entities import ViewType
from stores import copied, migrated

import mlflow_hpo
from mlflow_hpo.errors import HpoError
from mlflow_hpo.store import Connection, keys

Draw = random.Random
Said = tuple[str, str]
ESTIMATOR = """
from sklearn.tree import DecisionTreeClassifier

def model(depth=2):
    return DecisionTreeClassifier(max_depth=depth)
"""
SEARCH = ("search", "--max-trials", "1", "--workers", "0")
TREE = (*SEARCH, "--model", "tree.py:model")
QUICK: dict[str, Any] = {"max_trials": 1, "workers": 0, "progress": False}

WORDS = [
    "x",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "[1]",
    "{}",
    "=1+1",
    "-",
    "--",
    "\x1b[31mred",
    "é" * 5000,
    "1,5",
    "a b",
]
NO_COUNT = [*WORDS, "0.5", "-1", "1.5", "0x1g", "9" * 5000 + "x", "1e3.", "None", "null", "true", "٣x"]
NO_PART = [*WORDS, "-1", "2", "0x1g", "None", "true"]
NO_SECONDS = [*WORDS, "-1", "0", "None", "true"]
COUNTS = [
    "max-trials",
    "max-epochs",
    "image-size",
    "early-stopping",
    "grid-points",
    "min-epochs",
    "eta",
    "patience",
    "top-k",
    "folds",
    "repeats",
    "retries",
    "seed",
    "data-seed",
]
CHOICES = [
    "algorithm",
    "scheduler",
    "direction",
    "at",
    "task",
    "preprocess",
    "keep-models",
    "workers",
    "final",
    "force",
]
NO_NAMES = [*WORDS, "nowhere.py:f", "tree.py:nothing", "tree.py:", ":", "a.b.c:d", "/", "tree.py"]
BAD = {
    **dict.fromkeys(COUNTS, NO_COUNT),
    **dict.fromkeys((*CHOICES, "metric"), WORDS),
    **dict.fromkeys(("fraction", "confidence"), NO_PART),
    **dict.fromkeys(("timeout", "trial-timeout"), NO_SECONDS),
    **dict.fromkeys(("model", "data"), NO_NAMES),
}


class Place:
    """A store with one study in it, and the working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.uri = folder, copied(migrated(folder), folder)
        (folder / "tree.py").write_text(ESTIMATOR)
        (folder / "good.yaml").write_text("depth: [1, 2]")
        for name in ("folder.csv", "empty"):
            (folder / name).mkdir()
        (folder / "unreadable.csv").write_bytes(b"x,y\n\xff\xfe,a\n" * 20)
        mlflow.set_tracking_uri(self.uri)
        study = mlflow_hpo.tune(_loss, {"x": [1, 2]}, **{**QUICK, "max_trials": 2})
        self.study, self.trial = study.run_id, study.trials[0].run_id
        self.client = Connection(self.uri).client

    def stored(self) -> tuple[Any, ...]:
        """What is in the store: the same before and after."""
        ids = [e.experiment_id for e in self.client.search_experiments(ViewType.ALL)]
        runs = self.client.search_runs(ids, run_view_type=ViewType.ALL)
        states = sorted((r.info.run_id, r.info.status, len(r.data.params), len(r.data.tags)) for r in runs)
        return ids, states, len(self.client.search_registered_models())

    def folders(self) -> set[str]:
        """The temporary folders there are."""
        return {path.name for path in Path(tempfile.gettempdir()).glob("mlflow-hpo-*")}

    def command(self, *words: str) -> str:
        """What a command says that must fail."""
        done = called(environment(self.uri), *(word.replace("latest", self.study) for word in words))
        assert done.returncode not in (0, 3), f"status {done.returncode}: {done.stdout[-300:]}"
        assert done.stderr.startswith("Error: "), f"{done.stderr[-500:]!r} after {done.stdout[-300:]!r}"
        return done.stderr.removesuffix("\n")

    def python(self, call: Callable[[], Any]) -> str:
        """What a call says that must fail."""
        try:
            answer = call()
        except HpoError as error:
            return f"Error: {error}"
        raise AssertionError(f"gave {answer!r:.200}")


def an_option(draw: Draw, place: Place) -> Said:
    name = draw.choice(list(BAD))
    return place.command(*SEARCH, f"--{name}={draw.choice(BAD[name])}"), name


def an_unknown_option(draw: Draw, place: Place) -> Said:
    command = draw.choice(["search", "resume", "report", "replay", "rollback", "doctor"])
    option = "--" + "".join(draw.choices("abcxyz", k=8)) + "q"
    return place.command(command, option, "1"), option


def a_combination(draw: Draw, place: Place) -> Said:
    words, thing = draw.choice(
        [
            ("--max-trials all", "max-trials"),
            ("--algorithm grid --scheduler pbt", "pbt"),
            ("--keep-data", "keep-data"),
            ("--force", "force"),
            ("--trial-timeout 3", "trial"),
            ("--min-epochs 30", "min-epochs"),
            ("--target word", "target"),
            ("--metric nothing", "nothing"),
            ("-P x", "param"),
            ("-P x=1", "param"),
            ("--entry-point x", "entry-point"),
            ("--project nowhere --space good.yaml --metric loss", "nowhere"),
            ("--project . --metric loss", "space"),
            ("--register a/b", "register"),
            ("--register a --alias v1", "alias"),
            ("--warm-start nobody", "nobody"),
            ("extra", "extra"),
        ]
    )
    return place.command(*SEARCH, *words.split()), thing


SPACES = [
    "",
    "[]",
    "{}",
    "{type: int}",
    "{type: word, low: 1, high: 2}",
    "{low: 1, high: 2}",
    "[1, 1]",
    "[.nan]",
    "[.inf]",
    "[[1, [2]]]",
    "{type: int, low: 3, high: 1}",
    "{type: float, low: 0, high: 1, log: true}",
    "{type: int, low: a, high: b}",
    "{type: int, low: 1, high: 2, stop: 3}",
    "{type: int, low: 1.5, high: 2}",
    "{type: int, low: 1, high: 9, step: -1}",
    "{type: float, low: -.inf, high: 1}",
    "{type: [int], low: 1, high: 2}",
    "[{a: 1, b: 2}]",
    "[{a: []}]",
    "!!python/object:os.system {}",
    "!!binary aGk=",
    "!!set {a}",
    "!own 1",
    "!!timestamp 2026-01-31",
    "*nothing",
    "&a [*a]",
    "[1",
    "'a",
    "- a",
    "@a",
    "`a",
    "%a",
    "1e999",
    "{? [1]: 2}",
    "{<<: 1}",
    "[null, null]",
    "[&a 1, *b]",
    "",
][1:-1]
NO_TEXT = [b"", b"\xff\xfe\x00", b"a: \x00", b"\xef\xbb\xbf", b"\x89PNG\r\n\x1a\n", b"- a\n- b", b"a"]


def a_space(draw: Draw, place: Place) -> Said:
    name, value = (
        draw.choice(["depth", "'a|b'", "''", "1", "null", "[a]"]),
        draw.choice([*SPACES, "[" * 3000]),
    )
    texts = [f"{name}: {value}", f"depth: {value}\ndepth: [1, 2]", f"good: [1, 2]\n{name}: {value}"]
    content = draw.choice([*(text.encode() for text in texts), draw.choice(NO_TEXT)])
    (place.folder / "space.yaml").write_bytes(content)
    return place.command(*TREE, "--data", "digits", "--space", "space.yaml"), "space.yaml"


def given_configs(draw: Draw, place: Place) -> Said:
    texts = ["", "a", "{}", "- 1", "- {}x", "- {depth: 9}", "- {other: 1}", "- {depth: [1]}", "- [", "1: 2"]
    (place.folder / "start.yaml").write_text(draw.choice([*texts, "- {depth: !!python/name:os.system ''}"]))
    asked = ("--data", "digits", "--space", "good.yaml", "--start-from", "start.yaml")
    return place.command(*TREE, *asked), "start"


ROWS = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40))
TABLES = {
    "t.csv": [
        "",
        "\n",
        "x",
        "x,y\n",
        "x,y\n1,a\n",
        "x,x\n1,2\n",
        "y,y\n1,2\n",
        "\x00",
        '"',
        "x,y\n1,2,3,4\n5\n",
    ],
    "u.csv": ["x,y\n" + "1,a\n" * 50, "x,z\n" + ROWS, "x,y\n" + "1,\n" * 50, "y\n" + "a\nb\n" * 20],
    "t.parquet": ["", "PAR1", "x,y\n" + ROWS],
    "t.npz": ["", "PK", "x,y\n" + ROWS],
    "t.csv.gz": ["", "x,y\n" + ROWS],
    **dict.fromkeys(("nowhere.csv", "folder.csv", "empty", "t.xlsx", "nowhere.npz", "unreadable.csv")),
}


def a_table(draw: Draw, place: Place) -> Said:
    name = draw.choice(list(TABLES))
    if texts := TABLES[name]:
        (place.folder / name).write_text(draw.choice(texts))
    target = [] if name.endswith((".npz", "empty")) else ["--target", "y"]
    return place.command(*TREE, "--space", "good.yaml", "--data", name, *target), ""


QUESTIONS: list[tuple[list[str], list[str], str]] = [  # words, one more of these, what is named
    (["report"], ["nobody"], "nobody"),
    (["report", "--experiment"], ["none"], "none"),
    (["report", "--top"], NO_COUNT, "top"),
    (["report", "--format"], WORDS, "format"),
    (["report", "--html"], ["page.txt", "no/where.html", "empty", "/proc/x.html"], "html"),
    (
        ["report", "--where"],
        ["x", "params.y = '1'", "params.x >", "'", "tags.`a", "metrics.x = 'a'", "= 1"],
        "where",
    ),
    (["report", "--sort"], ["nothing", "max:", "up:loss", "min:max:x", " "], ""),
    (["report", "--pareto", "loss"], ["loss", "nothing", "max:"], ""),
    (["report", "--register"], ["a/b", "a:b", " ", "name"], "register"),
    (["report", "--alias"], ["v1"], "alias"),
    (["report", "--register", "name", "--alias"], ["v1", "latest", "a b", "é" * 300], "alias"),
    (["report", "--register", "name", "--confidence"], ["x", "2", "-1", "nan"], "confidence"),
    (["replay"], ["nobody", "latest:99", "latest:", ":", "latest:x"], ""),
    (["replay", "latest:0", "--tolerance"], ["-1", "x", ""], "tolerance"),
    (["rollback"], ["nothing", "a/b", ""], ""),
    (["resume"], ["nobody", "", " ", "../../x", "a' or '1'='1"], "study"),
    (["resume", "latest", "--model"], ["mlp"], "model"),
    (["resume", "latest", "--seed"], ["7", "x"], "seed"),
    (["resume", "latest", "--space"], ["good.yaml", "nowhere.yaml"], "space"),
    (["resume", "latest", "--project"], ["x"], "project"),
    (["resume", "latest", "--max-trials"], NO_COUNT, "max-trials"),
]


def a_question(draw: Draw, place: Place) -> Said:
    words, last, thing = draw.choice(QUESTIONS)
    if words[0] in ("report", "resume") and draw.random() < 0.1:
        return place.command(words[0], place.trial), place.trial
    return place.command(*words, draw.choice(last)), thing


NO_NUMBERS: list[Any] = [
    *(
        np.complex128(1),
        3j,
        object(),
        b"1",
        {1},
        np.datetime64("2026-01-31"),
        pd.NA,
        pd.NaT,
        {"a": 1},
        int,
        np.sum,
    ),
    *(np.array([1, 2]), range(3), [1], "\x1b[2J", Path("x"), float("nan"), np.float64("inf"), Decimal("nan")),
]


def a_setting(draw: Draw, place: Place) -> Said:
    names = (*COUNTS, *CHOICES, "timeout", "trial-timeout", "fraction", "confidence", "colour")
    name = draw.choice([name.replace("-", "_") for name in names if name not in ("final", "force")])
    how = {**QUICK, name: draw.choice(NO_NUMBERS)}
    return place.python(lambda: mlflow_hpo.tune(_loss, {"x": [1, 2]}, **how)), name.replace("_", "-")


def an_option_of_python(draw: Draw, place: Place) -> Said:
    odd = draw.choice([value for value in NO_NUMBERS if not isinstance(value, list | range | str | dict)])
    spaces: list[Any] = [
        {"x": [1, 3j]},
        {"x": {"type": "float", "low": 0, "high": odd}},
        odd,
        {("x", 1): [1, 2]},
    ]
    return place.python(lambda: mlflow_hpo.tune(_loss, draw.choice(spaces), **QUICK)), "space"


def data_of_python(draw: Draw, place: Place) -> Said:
    frame, x = pd.DataFrame({"x": range(20), "y": ["a", "b"] * 10}), np.zeros((40, 2))
    frames = [frame.rename(columns={"y": "z"}), pd.concat([frame, frame], axis=1), frame[:0], frame[:2]]
    pairs: list[Any] = [
        (x, np.zeros(4)),
        (x[:0], x[:0, 0]),
        (x * np.nan, x[:, 0] * np.nan),
        (np.array(3), np.array(3)),
    ]
    pairs += [(), (1, 2), (x, np.arange(40) + 1j), (x, np.array([object()] * 40)), frame]
    odd = [value for value in NO_NUMBERS if not isinstance(value, str | Path)]
    data = draw.choice([*frames, *pairs, *odd])
    more: dict[str, Any] = {"target": "y"} if any(data is one for one in frames) else {}
    return place.python(lambda: mlflow_hpo.tune(_tree, {"depth": [1, 2]}, data, **QUICK, **more)), ""


def what_is_returned(draw: Draw, place: Place) -> Said:
    odd = draw.choice(NO_NUMBERS)
    return place.python(lambda: mlflow_hpo.tune(lambda config: odd, {"x": [1, 2]}, **QUICK)), ""


def a_changed_tag(draw: Draw, place: Place) -> Said:
    """What a colleague did to a study, so that another code would run; afterwards it is as it was."""
    before = place.client.get_run(place.study).data.tags
    name, value = draw.choice(
        [
            (keys.SETTINGS, {"algorithm": "evil.py:f"}),
            (keys.SETTINGS, {"data": "evil.py:f"}),
            (keys.PLAN, {"code": "0" * 64}),
            (keys.PLAN, {"scorer": "../../../evil"}),
            (keys.SETTINGS, {"project": {"uri": "https://evil.invalid/x\x1b[2J"}}),
        ]
    )
    place.client.set_tag(place.study, name, json.dumps(json.loads(before[name]) | value))
    commands = [["resume", "latest", "--max-trials", "3"], ["replay", "latest:0"]]
    try:
        return place.command(*draw.choice(commands)), "--trust"
    finally:
        place.client.set_tag(place.study, name, before[name])


def _loss(config: Any) -> float:
    return float(config["x"])


def _tree(depth: int = 2) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth)


KINDS: list[Callable[[Draw, Place], Said]] = [
    *(
        an_option,
        an_option,
        an_option,
        an_unknown_option,
        a_combination,
        a_space,
        a_space,
        a_space,
        given_configs,
    ),
    *(a_table, a_table, a_question, a_question, a_setting, a_setting, an_option_of_python, data_of_python),
    *(what_is_returned, a_changed_tag),
]
