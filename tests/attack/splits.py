"""Splits odd tables by every rule and splitter: what may not be apart is never apart, or a line says why not.

python tests/attack/splits.py --tables 500
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import model_selection as sk

sys.path.insert(0, str(Path(__file__).parents[1]))

from attack.score import Score, run
from mlflow_hpo.data import DataSpec, Roles, folds, load_data, made_splits, save_data
from mlflow_hpo.errors import HpoError
from mlflow_hpo.user_code import use_contents

SPLITTERS: list[Any] = [
    None, None, None, sk.KFold(3), sk.KFold(4, shuffle=True), sk.StratifiedKFold(3), sk.RepeatedKFold(),
    sk.ShuffleSplit(3, test_size=0.3), sk.TimeSeriesSplit(3), sk.TimeSeriesSplit(2, gap=2, max_train_size=20),
    sk.GroupKFold(3), sk.StratifiedGroupKFold(3), sk.LeaveOneGroupOut(), sk.GroupShuffleSplit(2),
    sk.LeaveOneOut(), sk.LeavePGroupsOut(2),
]  # fmt: skip


def table(random: np.random.Generator) -> pd.DataFrame:
    """A table of 1 to 120 rows; its groups and classes may be few, many, or very unlike in size."""
    rows, kinds = int(random.integers(1, 120)), int(random.integers(0, 5))
    drawn = random.zipf(1.6, rows) if random.random() < 0.5 else random.integers(0, 1 + rows // 3, rows)
    y = random.normal(size=rows) if not kinds else random.integers(0, kinds, rows).astype(str)
    times = random.integers(0, int(random.choice([1, 3, rows])) + 1, rows)
    part = random.choice(["train", "val", "test"], rows, p=random.dirichlet([2, 1, 1]))
    columns = {"row": range(rows), "group": drawn % 40, "time": times, "part": part, "y": y}
    return pd.DataFrame(columns)


def check(frame: pd.DataFrame, spec: DataSpec, count: int) -> None:
    """Fails if rows are in two parts, or on sides of a cut that their rule keeps apart."""
    data = load_data(spec)
    rows = [[*part.x["row"]] for part in (data.train, data.validation, data.test)]
    flat = [row for part in rows for row in part]
    assert len(flat) == len({*flat}), "a row is in two parts"
    if spec.roles.part:
        words = {"train": rows[0] + rows[1], "val": rows[0] + rows[1], "test": rows[2]}
        assert all(row in words[frame["part"][row]] for row in flat), "a row is not in the part of its word"
    cuts = [(rows[0] + rows[1], rows[2]), (rows[0], rows[1])] if not data.cuts else [(rows[0], rows[2])]
    if spec.roles.part:  # the words say it
        cuts = []
    for fold in folds(data, count, 0) if count > 1 else ():
        cuts.append(([*fold.train.x["row"]], [*fold.validation.x["row"]]))
        assert {*cuts[-1][0]} | {*cuts[-1][1]} <= {*rows[0], *rows[1]}, "a fold has rows of the test part"
    for train, held_out in cuts:
        assert not {*train} & {*held_out}, "a fold trains on what it validates on"
        if spec.roles.group:
            sides = ({*frame["group"][side]} for side in (train, held_out))
            assert not next(sides) & next(sides), "a group is on both sides"
        if spec.roles.time and train and held_out:
            assert frame["time"][train].max() <= frame["time"][held_out].min(), "the future trains"


def attack(rounds: int, seed: int) -> Score:
    """Each round is a table with a rule, and folds by number or by a splitter."""
    score = Score("tables that are split")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        use_contents(folder)
        for number in range(rounds):
            random = np.random.default_rng([seed, number])
            frame, role = table(random), random.choice(["group", "time", "none"])
            roles = {} if role == "none" else {str(role): str(role)}
            roles |= {"part": "part"} if random.random() < 0.2 else {}
            splitter = SPLITTERS[int(random.integers(len(SPLITTERS)))]
            fraction, task = float(random.choice([1, 1, 0.4])), str(random.choice(["auto", "classification"]))
            how: dict[str, Any] = {"target": "y", "roles": Roles(**roles), "seed": number, "task": task}
            with score.round(f"table {number} of {len(frame)} rows by {roles or 'class'}, {splitter}"):
                try:
                    content = save_data(frame, folder, DataSpec("given:data", **how))
                    spec = DataSpec("given:data", content=content, **how)
                    splits = made_splits(splitter, spec) if splitter is not None else None
                    digest = splits.save(folder) if splits else ""
                    spec = DataSpec("given:data", content=content, fraction=fraction, splits=digest, **how)
                    check(frame, spec, len(splits.cuts) if splits else int(random.integers(1, 6)))
                except HpoError as error:
                    if "\n" in str(error):
                        raise AssertionError(f"several lines: {error}") from error
                except AssertionError:
                    raise
                except Exception as error:
                    raise AssertionError(f"{type(error).__name__}: {error}") from error
    return score


if __name__ == "__main__":
    run(attack, "tables", 500)
