"""What every kind of data source must keep: a test class of a kind inherits the contract."""

import json
import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest
from data_loading import load, sizes

from mlflow_hpo.data import DataSpec, check_data, load_data
from mlflow_hpo.errors import ConfigError

HEAVY = ["tensorflow", "keras", "sklearn", "mlflow", "own"]  # "own" is a user's module
ELSEWHERE = f"""
import json, sys
from mlflow_hpo.data import DataSpec, check_data, load_data
from pathlib import Path
from mlflow_hpo.user_code import use_contents
use_contents(Path("ours").resolve())
spec = DataSpec(**json.loads(sys.argv[1]))
check_data(spec)
imported = set({HEAVY}) & set(sys.modules)
print(json.dumps([sorted(imported), load_data(spec).digest]))
"""


class SourceContract:
    """A kind of data source, as a study uses it."""

    rows = 60
    classes = 3
    missing: str  # the name of data that are not there
    title = ""  # what messages call them, unless by this name
    options: ClassVar[dict[str, Any]] = {}  # of the spec

    def good(self) -> str:
        """Write data of `rows` rows in `classes` classes and return their name."""
        raise NotImplementedError

    def test_rows_come_in_three_parts_with_every_class(self) -> None:
        data = load(self.good(), **self.options)
        assert (sum(sizes(data)), data.classes, data.task) == (self.rows, self.classes, "classification")
        for part in (data.train, data.validation, data.test):
            assert part.y.dtype == np.int64
            assert set(part.y) == set(range(self.classes))
            assert part.x.shape == (len(part), *data.shape)
            assert data.is_table or part.x.dtype == np.float32

    def test_the_digest_is_the_same_each_time_and_changes_with_the_seed(self) -> None:
        name = self.good()
        first, again, other = (load(name, seed=seed, **self.options).digest for seed in (0, 0, 1))
        assert first == again
        assert first != other

    def test_another_process_checks_without_heavy_imports_and_loads_the_same(self) -> None:
        spec = {"name": self.good(), **self.options}
        command = [sys.executable, "-c", ELSEWHERE, json.dumps(spec)]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        assert json.loads(ended.stdout.splitlines()[-1]) == [[], load(**spec).digest]

    def test_what_is_missing_is_named_in_one_line(self) -> None:
        spec = DataSpec(self.missing, **self.options)
        for refuse in (check_data, load_data):
            with pytest.raises(ConfigError) as caught:
                refuse(spec)
            assert (self.title or repr(self.missing)) in str(caught.value)
            assert "\n" not in str(caught.value)
