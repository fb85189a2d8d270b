from pathlib import Path

import pytest
from contracts import space
from hyperopt import rand

from mlflow_hpo.algorithms import Algorithm, algorithm, propose
from mlflow_hpo.algorithms.suggest import whole
from mlflow_hpo.errors import ConfigError, StudyError


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return len(seed)", "TypeError: object of type 'int' has no len"),
        ("return [{'x': 0.5}]", "KeyError: 'misc'"),
        ("return domain.nowhere", "AttributeError: 'Domain' object has no attribute 'nowhere'"),
        ("raise OSError('no such server')", "OSError: no such server"),
    ],
)
def test_a_users_function_that_fails_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    (tmp_path / "failing.py").write_text(f"def suggest(new_ids, domain, trials, seed):\n    {body}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as caught:
        propose(algorithm("failing.py:suggest"), space(), [], 1, 0)
    assert str(caught.value).startswith(f"algorithm 'failing.py:suggest' failed: {words}")


@pytest.mark.parametrize("name", ["gp:x", "nowhere.module:suggest", "json:nothing"])
def test_a_function_that_cannot_be_imported_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"algorithm '{name}' (cannot be imported: |does not exist: )"):
        algorithm(name)


def test_a_users_function_is_imported_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_to_suggest.py").write_text("from hyperopt.rand import suggest\nnumber = 3\n")
    monkeypatch.chdir(tmp_path)
    mine = algorithm("mine_to_suggest:suggest")
    assert propose(mine, space(), [], 1, 0) == propose(Algorithm(whole(rand.suggest)), space(), [], 1, 0)
    with pytest.raises(ConfigError, match="'mine_to_suggest:number' is no function, but 3"):
        algorithm("mine_to_suggest:number")


@pytest.mark.parametrize("arguments", ["new_ids", "", "a, b, c, d, e", "*, new_ids, domain, trials, seed"])
def test_a_function_that_cannot_be_called_is_refused_before_it_is(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "narrow.py").write_text(f"def suggest({arguments}):\n    raise SystemExit\n")
    with pytest.raises(ConfigError, match=r"cannot be called as suggest\(new_ids, domain, trials, seed\): "):
        algorithm(f"{tmp_path}/narrow.py:suggest")
    with pytest.raises(ConfigError, match="'json:dumps' cannot be called as suggest"):
        algorithm("json:dumps")
