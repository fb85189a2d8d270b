"""What a study came to, in words: the gain, the description in the MLflow UI, the next commands."""

from collections.abc import Sequence
from shlex import quote

from mlflow_hpo.algorithms import GRID, grid_size, is_on_grid
from mlflow_hpo.schedulers import Plan
from mlflow_hpo.settings import Settings
from mlflow_hpo.space import Space
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.trial import Config, State, Trial, best

EXAMPLE_NAME = "NAME"


def value(settings: Settings, trial: Trial) -> float | None:
    """A trial's metric at its last recorded epoch."""
    return None if trial.loss is None else settings.value(trial.loss)


def baseline(trials: Sequence[Trial]) -> Trial | None:
    """Trial 0, where it has a loss."""
    return next((t for t in trials if t.number == 0 and t.loss is not None), None)


def gain(settings: Settings, trial: Trial, trials: Sequence[Trial]) -> float | None:
    """By how much a trial is better than the baseline, in the metric; negative where it is worse."""
    first = baseline(trials)
    if first is None or first.loss is None or trial.loss is None:
        return None
    return first.loss - trial.loss


def headline(settings: Settings, trials: Sequence[Trial]) -> str:
    """The best trial and its gain in one line."""
    winner = best(trials)
    if winner is None:
        return "no trial finished"
    reached = f"{settings.metric} {value(settings, winner):.4f}" + (
        f" after {winner.epochs} epochs" if settings.epochs > 1 else ""
    )
    line = f"best: trial {winner.number}, {reached}"
    first, better = baseline(trials), gain(settings, winner, trials)
    if first is None or better is None:
        return line + " (the baseline, trial 0, did not finish)"
    return line + f"; baseline {value(settings, first):.4f}, gain {better:+.4f}"


def describe(
    settings: Settings, run_id: str, trials: Sequence[Trial], registrations: Sequence[Registration] = ()
) -> str:
    """The study's description, as Markdown for the MLflow UI.

    Args:
        registrations: how its registrations came out.
    """
    winner = best(trials)
    begun = sum(t.results > 0 for t in trials)
    failed = sum(t.state is State.FAILED for t in trials)
    lines = [
        f"**{headline(settings, trials)}**",
        "",
        *(f"- {one.said}" for one in registrations),
        *([""] if registrations else []),
        f"{begun} of {settings.max_trials} trials have results, {failed} failed.",
    ]
    if winner:
        lines += ["", "| hyperparameter | value |", "|---|---|"]
        lines += [f"| {name} | {shown(v)} |" for name, v in winner.config.items()]
        lines += ["", f"Its run: `{winner.run_id}`.", *_of_model(settings, run_id, winner.model_uri)]
    return "\n".join(lines)


def _of_model(settings: Settings, run_id: str, uri: str) -> list[str]:
    """How to load the best model and to register it, where it has one; and how to rank the trials."""
    rank = rank_command(run_id)
    if not uri:
        return ["Rank:", "", "```", rank, "```"]
    load = ["```python", "import mlflow", f'model = mlflow.pyfunc.load_model("{uri}")', "```"]
    register = register_command(settings, run_id)
    return ["Load it:", "", *load, "", "Rank and register:", "", "```", rank, register, "```"]


def rank_command(run_id: str) -> str:
    """The command that ranks a study."""
    return f"mlflow-hpo report {run_id}"


def resume_command(settings: Settings, run_id: str) -> str:
    """What goes on with a study."""
    return _in_python(settings, run_id) if settings.from_python else f"mlflow-hpo resume {run_id}"


def register_command(
    settings: Settings, run_id: str, name: str = EXAMPLE_NAME, alias: str = "", force: bool = False
) -> str:
    """What registers a study's best model.

    Args:
        alias: empty: the study's.
        force: whether the gate would refuse it.
    """
    other = alias if alias != settings.alias else ""
    if settings.from_python:
        given: dict[str, str | bool] = {"register": name}
        given |= {"alias": other} if other else {}
        given |= {"force": True} if force else {}
        return _in_python(settings, run_id, **given)
    more = (f" --alias {quote(other)}" if other else "") + (" --force" if force else "")
    return f"{rank_command(run_id)} --register {quote(name)}{more}"


def _in_python(settings: Settings, run_id: str, **options: str | bool) -> str:
    """What was given from Python is to be given again: no command can."""
    if settings.target_column:
        options = {"target_column": settings.target_column, **options}
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"mlflow_hpo.tune(model, space, data, resume={run_id!r}{given})"


def plan_lines(settings: Settings, space: Space, given: Sequence[Config], plan: Plan) -> list[str]:
    """What a study is about to do, where its algorithm or scheduler knows."""
    grid = [grid_line(settings, space, given)] if settings.algorithm == GRID else []
    return grid + ([plan_line(settings, plan)] if settings.scheduler != "none" else [])


def plan_line(settings: Settings, plan: Plan) -> str:
    """What the scheduler is about to do, and what that saves."""
    full = settings.budget.full
    share = f"{100 * plan.typical / full:.0f}% of the {full} that training every trial fully takes"
    spent = f"{plan.most} epochs" if plan.most == plan.typical else f"about {plan.typical} epochs"
    most = "" if plan.most == plan.typical else f"; {plan.most} at most"
    rungs = ", ".join(str(rung) for rung in plan.rungs)
    note = f"; {plan.note}" if plan.note else ""
    if plan.most < full:
        note = f"; {settings.epochs - plan.rungs[0]} more at most to train the baseline to the end" + note
    return f"{settings.scheduler}: rungs at epochs {rungs}; {spent}, {share}{most}{note}"


def spent_line(settings: Settings, trials: Sequence[Trial]) -> str:
    """How many epochs were trained, and how many were saved."""
    spent, full = epochs_spent(settings, trials)
    saved = full - spent
    return f"{spent} epochs trained; {saved} of {full} saved ({100 * saved / max(full, 1):.0f}%)"


def epochs_spent(settings: Settings, trials: Sequence[Trial]) -> tuple[int, int]:
    """Epochs that were trained, and those of training to the end whatever did not fail and was not cut."""
    spent = {t.number: t.epochs - t.start if t.losses else 0 for t in trials}
    lost = [t.number for t in trials if t.state in (State.FAILED, State.KILLED)]
    full = sum(spent[number] if number in lost else settings.epochs for number in spent)
    return sum(spent.values()), full


def grid_line(settings: Settings, space: Space, given: Sequence[Config]) -> str:
    """How large the grid is, and how much of it will be tried.

    Args:
        given: configs to be tried first; those that are not on the grid take the place of one that is.
    """
    size, points = grid_size(space, settings.grid_points), settings.grid_points
    elsewhere = sum(not is_on_grid(space, config, points) for config in given)
    tried = max(0, min(size, settings.max_trials - 1 - elsewhere))
    return f"grid: {size} combinations, of which {tried} are tried beside the baseline"


def next_commands(
    settings: Settings, uri: str, experiment_id: str, run_id: str, has_model: bool = True
) -> list[tuple[str, str]]:
    """What to do with the study when its search is over: (purpose, command) pairs, in order."""
    steps = [*see_commands(uri, experiment_id, run_id), ("rank the trials", rank_command(run_id))]
    if not has_model:
        return steps
    registers = registry_commands(settings, run_id, None)
    return [*steps, *(registers[1:] if settings.register_as else registers)]


def see_commands(uri: str, experiment_id: str, run_id: str) -> list[tuple[str, str]]:
    """Where the study is: (purpose, command) pairs."""
    page = f"/#/experiments/{experiment_id}/runs/{run_id}"
    look = f"mlflow ui --backend-store-uri {quote(uri)}   # then open http://127.0.0.1:5000{page}"
    return [
        ("name the tracking store", f"export MLFLOW_TRACKING_URI={quote(uri)}"),
        ("see the study", uri.rstrip("/") + page if uri.startswith("http") else look),
    ]


def registry_commands(settings: Settings, run_id: str, last: Registration | None) -> list[tuple[str, str]]:
    """How the best model gets into the registry and is served: (purpose, command) pairs.

    Args:
        last: how the last registration came out.
    """
    if last and last.version:
        return [("serve it", serve_command(last.uri))]
    name, alias = (last.name, last.alias) if last else (settings.register_as or EXAMPLE_NAME, settings.alias)
    purpose = "register it all the same" if last else "register the best model"
    register = register_command(settings, run_id, name, alias, force=last is not None)
    return [(purpose, register), ("serve it", serve_command(f"models:/{name}@{alias}"))]


def serve_command(model: str) -> str:
    """The command that serves a registered model."""
    return f"mlflow models serve -m {quote(model)} --env-manager local --port 5001"


def shown(item: object) -> str:
    """A hyperparameter's value for people: floats to four digits."""
    return f"{item:.4g}" if isinstance(item, float) else str(item)
