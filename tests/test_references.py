"""A user's own code is found by name, and what is wrong with a name is said in one line."""

import sys
from pathlib import Path

import pytest

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.user_code import load_reference


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])  # a json.py that stayed there would be everybody's
    (tmp_path / "near.py").write_text("WORD = 'beside it'")
    (tmp_path / "own_code.py").write_text("from near import WORD\ndef build(): return WORD")
    (tmp_path / "json.py").write_text("WORD = 'not the standard library'")
    (tmp_path / "script.py").write_text("import sys\nsys.exit(3)")
    (tmp_path / "broken.py").write_text("raise RuntimeError('as it\\nis')")


def test_a_file_may_import_what_lies_beside_it() -> None:
    assert load_reference("own_code.py:build", "model")() == "beside it"
    assert load_reference("own_code.py:build", "model") is load_reference("own_code.py:build", "model")


def test_a_module_is_found_in_the_working_folder_and_among_what_is_installed() -> None:
    assert load_reference("own_code:build", "model")() == "beside it"
    assert load_reference("math:pi", "model") == pytest.approx(3.14159, abs=1e-5)


def test_a_file_may_have_the_name_of_a_module_that_is_loaded_already() -> None:
    assert load_reference("json.py:WORD", "model") == "not the standard library"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.py:build", "model 'nowhere.py:build' cannot be loaded: there is no file 'nowhere.py'"),
        ("own_code.py:missing", "does not exist: 'own_code.py' has no 'missing', but WORD, build"),
        ("broken.py:build", "model 'broken.py:build' cannot be imported: RuntimeError: as it is"),
        ("script.py:build", "cannot be imported: it ends the process; put what is to run as a script "),
        ("no_such_module:build", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        (":build", "model ':build' is malformed: expected package.module:NAME or path/to/file.py:NAME"),
        ("own_code.py:", "is malformed: expected"),
    ],
)
def test_what_is_wrong_is_named(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_reference(name, "model")
    assert message in str(caught.value)
