"""Ray Tune's search space; Ray is not among what the tests install (the extra `peers` has it)."""

from typing import Any

import pytest
from conftest import printed
from optuna.distributions import CategoricalDistribution

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space import Choice, Float, Int, Option, Parameter, parse_space, space_text
from mlflow_hpo.space.convert.python import converted

tune = pytest.importorskip("ray.tune")

READ: list[tuple[Any, Parameter]] = [
    (tune.uniform(0, 1), Float(low=0, high=1)),
    (tune.loguniform(1e-4, 0.1), Float(low=1e-4, high=0.1, log=True)),
    (tune.quniform(0.1, 0.7, 0.1), Float(low=0.1, high=0.7, step=0.1)),
    (tune.quniform(2, 8, 2), Float(low=2, high=8, step=2)),
    (tune.randint(1, 10), Int(low=1, high=9)),
    (tune.lograndint(1, 10), Int(low=1, high=9, log=True)),
    (tune.qrandint(3, 17, 4), Int(low=4, high=16, step=4)),
    (tune.qrandint(1, 10, 1), Int(low=1, high=9)),
    (tune.qlograndint(1, 10, 1), Int(low=1, high=9, log=True)),
    (tune.choice([1, "a"]), Choice((Option(1), Option("a")))),
    (tune.choice([(50,), (60, 70)]), Choice((Option([50]), Option([60, 70])))),
    (tune.grid_search([8, 16]), Choice((Option(8), Option(16)))),
]
REFUSED: list[tuple[Any, str]] = [
    (tune.sample_from(lambda spec: 1), "space: a: Ray Tune's function has no place"),
    (tune.qloguniform(1, 9, 1), "space: a: Ray Tune's qloguniform has steps on a log scale"),
    (tune.qlograndint(2, 8, 2), "space: a: Ray Tune's qlograndint has steps on a log scale"),
    ([1, tune.uniform(0, 1)], "space: a[1]: <ray.tune"),
]


@pytest.mark.parametrize(("given", "expected"), READ, ids=printed)
def test_a_domain_is_read(given: Any, expected: Parameter) -> None:
    found = parse_space(space_text({"it": given}), "space")
    assert repr(found.parameters["it"]) == repr(expected)


@pytest.mark.parametrize("given", [given for given, _ in READ if not isinstance(given, dict)], ids=printed)
def test_the_space_holds_just_what_ray_draws(given: Any) -> None:
    it = parse_space(space_text({"it": given}), "space").parameters["it"]
    assert isinstance(it, Float | Int | Choice)
    drawn = given.sample(size=400)
    encoded = {
        it.encode(list(v) if isinstance(v, tuple) else getattr(v, "item", lambda v=v: v)()) for v in drawn
    }
    assert None not in encoded
    if isinstance(it, Choice) or it.whole:
        assert encoded == {it.on_grid(i, 0) for i in range(it.grid_size(0))}


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_a_space_cannot_say_is_refused_by_name(given: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_text({"a": given})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_options_are_as_they_were_given_however_deep() -> None:
    for given in (
        tune.choice([(1, 2), (3,)]),
        tune.grid_search([(1, 2), (3,)]),
        CategoricalDistribution(((1, 2), (3,))),
    ):
        _, options = converted({"a": {"b": given}})
        assert [options.restored({"a.b": option}) for option in ([1, 2], [3])] == [
            {"a.b": (1, 2)},
            {"a.b": (3,)},
        ]


def test_what_belongs_to_an_option_is_written_as_the_line_says() -> None:
    options: list[Any] = [{"name": "sgd", "momentum": tune.uniform(0, 1)}, {"name": "adam"}]
    for given in (tune.choice(options), options):
        with pytest.raises(SpaceError, match=r"space: a\[0\]: the option .* holds a distribution: write an"):
            space_text({"a": given})
    space = parse_space(space_text({"a": [{"sgd": {"momentum": tune.uniform(0, 1)}}, "adam"]}), "space")
    assert space.names() == {"a", "momentum"}
