"""What a study came to, in words: the gain, the description in the MLflow UI, the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlflow_hpo.algorithms import GRID, grid_size, is_on_grid
from mlflow_hpo.metric import best
from mlflow_hpo.report.next_commands import rank_command, register_command
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.schedulers import Plan
from mlflow_hpo.space import Space
from mlflow_hpo.trial import Config, State, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store.registrations import Registration


def baseline(trials: Sequence[Trial]) -> Trial | None:
    """Trial 0, where it has a loss."""
    return next((t for t in trials if t.number == 0 and t.loss is not None), None)


def gain(info: StudyInfo, trial: Trial, trials: Sequence[Trial]) -> float | None:
    """By how much a trial is better than the baseline, in the metric; negative where it is worse."""
    first = baseline(trials)
    if first is None or first.loss is None or trial.loss is None:
        return None
    return first.loss - trial.loss


def headline(info: StudyInfo, trials: Sequence[Trial]) -> str:
    """The best trial and its gain in one line."""
    winner = best(trials)
    if winner is None:
        return "no trial finished"
    reached = f"{info.metric.name} {info.value(winner):.4f}" + (
        f" after {winner.epochs} epochs" if info.max_epochs > 1 else ""
    )
    line = f"best: trial {winner.number}, {reached}"
    first, better = baseline(trials), gain(info, winner, trials)
    if first is None or better is None:
        return line + " (the baseline, trial 0, did not finish)"
    return line + f"; baseline {info.value(first):.4f}, gain {better:+.4f}"


def describe(
    info: StudyInfo, run_id: str, trials: Sequence[Trial], registrations: Sequence[Registration] = ()
) -> str:
    """The study's description, as Markdown for the MLflow UI.

    Args:
        registrations: how its registrations came out.
    """
    winner = best(trials)
    begun = sum(t.result_count > 0 for t in trials)
    failed = sum(t.state is State.FAILED for t in trials)
    lines = [
        f"**{headline(info, trials)}**",
        "",
        *(f"- {one.sentence}" for one in registrations),
        *([""] if registrations else []),
        f"{begun} of {info.max_trials} trials have results, {failed} failed.",
    ]
    if winner:
        lines += ["", "| hyperparameter | value |", "|---|---|"]
        lines += [f"| {name} | {shown(v)} |" for name, v in winner.config.items()]
        lines += ["", f"Its run: `{winner.run_id}`.", *_of_model(info, run_id, winner.model_uri)]
    return "\n".join(lines)


def _of_model(info: StudyInfo, run_id: str, uri: str) -> list[str]:
    """How to load the best model and to register it, where it has one; and how to rank the trials."""
    rank = rank_command(run_id)
    if not uri:
        return ["Rank:", "", "```", rank, "```"]
    load = ["```python", "import mlflow", f'model = mlflow.pyfunc.load_model("{uri}")', "```"]
    register = register_command(info, run_id)
    return ["Load it:", "", *load, "", "Rank and register:", "", "```", rank, register, "```"]


def plan_lines(info: StudyInfo, space: Space, given: Sequence[Config], plan: Plan) -> list[str]:
    """What a study is about to do, where its algorithm or scheduler knows."""
    grid = [grid_line(info, space, given)] if info.settings.algorithm == GRID else []
    return grid + ([plan_line(info, plan)] if info.settings.scheduler != "none" else [])


def plan_line(info: StudyInfo, plan: Plan) -> str:
    """What the scheduler is about to do, and what that saves."""
    full = info.budget.full
    share = f"{100 * plan.typical / full:.0f}% of the {full} that training every trial fully takes"
    spent = f"{plan.most} epochs" if plan.most == plan.typical else f"about {plan.typical} epochs"
    most = "" if plan.most == plan.typical else f"; {plan.most} at most"
    rungs = ", ".join(str(rung) for rung in plan.rungs)
    note = f"; {plan.note}" if plan.note else ""
    if plan.most < full:
        note = f"; {info.max_epochs - plan.rungs[0]} more at most to train the baseline to the end" + note
    return f"{info.settings.scheduler}: rungs at epochs {rungs}; {spent}, {share}{most}{note}"


def spent_line(info: StudyInfo, trials: Sequence[Trial]) -> str:
    """How many epochs were trained, and how many were saved."""
    spent, full = epochs_spent(info, trials)
    saved = full - spent
    return f"{spent} epochs trained; {saved} of {full} saved ({100 * saved / max(full, 1):.0f}%)"


def epochs_spent(info: StudyInfo, trials: Sequence[Trial]) -> tuple[int, int]:
    """Epochs that were trained, and those of training to the end whatever did not fail and was not cut."""
    spent = {t.number: t.epochs - t.start if t.losses else 0 for t in trials}
    lost = [t.number for t in trials if t.state in (State.FAILED, State.KILLED)]
    full = sum(spent[number] if number in lost else info.max_epochs for number in spent)
    return sum(spent.values()), full


def grid_line(info: StudyInfo, space: Space, given: Sequence[Config]) -> str:
    """How large the grid is, and how much of it will be tried.

    Args:
        given: configs to be tried first; those that are not on the grid take the place of one that is.
    """
    size, points = grid_size(space, info.settings.grid_points), info.settings.grid_points
    elsewhere = sum(not is_on_grid(space, config, points) for config in given)
    tried = max(0, min(size, info.max_trials - 1 - elsewhere))
    return f"grid: {size} combinations, of which {tried} are tried beside the baseline"


def shown(item: object) -> str:
    """A hyperparameter's value for people: floats to four digits."""
    return f"{item:.4g}" if isinstance(item, float) else str(item)
