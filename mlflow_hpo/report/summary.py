"""Says in words what a study came to: gain, best trials, description in the MLflow UI, and the plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from mlflow_hpo.algorithms import AUTO, GRID, explained, grid_size, is_on_grid
from mlflow_hpo.metric import front, rank
from mlflow_hpo.report.next_commands import rank_command, register_command
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import ordered, value_text, values_of, values_text
from mlflow_hpo.report.winner import winner as winner_of
from mlflow_hpo.schedulers import Plan
from mlflow_hpo.space import Space, share
from mlflow_hpo.trial import Config, State, Trial, epochs_text

if TYPE_CHECKING:
    from mlflow_hpo.store.registrations import Registration

MAX_CELL = 60  # characters of a value in a table
MISSING = "–"


def baseline(trials: Sequence[Trial]) -> Trial | None:
    """Returns trial 0, if it has a loss."""
    return next((t for t in trials if t.number == 0 and t.loss is not None), None)


def gain(info: StudyInfo, trial: Trial, trials: Sequence[Trial]) -> float | None:
    """Returns by how much a trial is better than the baseline, in the metric; negative if it is worse."""
    first = baseline(trials)
    if first is None or first.loss is None or trial.loss is None:
        return None
    return first.loss - trial.loss


def headline(info: StudyInfo, trials: Sequence[Trial]) -> str:
    """Returns the best trial and its gain in one line."""
    winner = winner_of(info, trials)
    if winner is None:
        return "no trial finished"
    if not info.is_plain:
        return _headline_of_several(info, trials, winner)
    reached = f"{info.metric.name} {info.value(winner):.4f}" + (
        f" {when(winner)}" if info.max_epochs > 1 else ""
    )
    line = f"best: trial {winner.number}, {reached}"
    first, better = baseline(trials), gain(info, winner, trials)
    if first is None or better is None:
        return line + " (the baseline, trial 0, did not finish)"
    return line + f"; baseline {info.value(first):.4f}, gain {better:+.4f}"


def _headline_of_several(info: StudyInfo, trials: Sequence[Trial], winner: Trial) -> str:
    """Returns the trial that is preferred of a front, and which trials keep to the constraints."""
    kept, bounds = (
        sum(not t.violation() for t in rank(trials)),
        " and ".join(c.text for c in info.constraints),
    )
    values = f"trial {winner.number}, {values_text(info, winner)}"
    if not kept:
        return f"no trial keeps to {bounds}; the nearest: {values}"
    within = f"; {kept} of {len(rank(trials))} trials keep to {bounds}" if bounds else ""
    if len(info.metrics) == 1:
        return f"best: {values}{within}"
    how = f"preferred by {info.settings.prefer}" if info.settings.prefer else "in the middle"
    count = len(front(trials))
    of = (
        f"of the {count} trials that no other beats in all metrics, {how}"
        if count > 1
        else "no other beats it"
    )
    return f"best: {values} ({of}){within}"


def when(trial: Trial) -> str:
    """Says at which epoch a trial had its value."""
    if trial.best_epoch in (None, trial.epochs):
        return f"after {epochs_text(trial.epochs)}"
    return f"at epoch {trial.best_epoch} of {trial.epochs}"


def describe(
    info: StudyInfo,
    run_id: str,
    trials: Sequence[Trial],
    registrations: Sequence[Registration] = (),
    warnings: Iterable[str] = (),
) -> str:
    """Returns the study's description, as Markdown for the MLflow UI."""
    winner = winner_of(info, trials)
    warnings = [line for line in warnings if line]
    with_results = sum(t.result_count > 0 for t in trials)
    failed = sum(t.state is State.FAILED for t in trials)
    lines = [
        f"**{headline(info, trials)}**",
        "",
        *(f"- warning: {line}" for line in warnings),
        *(f"- {registration.sentence}" for registration in registrations),
        *([""] if registrations or warnings else []),
        f"{with_results} of {info.max_trials} trials have results, {failed} failed.",
    ]
    if winner:
        lines += ["", "| hyperparameter | value |", "|---|---|"]
        lines += [f"| {escaped(name)} | {escaped(cell(value))} |" for name, value in winner.config.items()]
        lines += ["", f"Its run: `{winner.run_id}`.", *_model_lines(info, run_id, winner.model_uri)]
    return "\n".join(lines)


def _model_lines(info: StudyInfo, run_id: str, uri: str) -> list[str]:
    """Returns how to load and register the best model, if there is one, and how to rank the trials."""
    ranks = rank_command(run_id)
    if not uri:
        return ["Rank:", "", "```", ranks, "```"]
    load = ["```python", "import mlflow", f'model = mlflow.pyfunc.load_model("{uri}")', "```"]
    register = register_command(info, run_id)
    return ["Load it:", "", *load, "", "Rank and register:", "", "```", ranks, register, "```"]


def plan_lines(info: StudyInfo, space: Space, given: Sequence[Config], plan: Plan) -> list[str]:
    """Returns what a study is about to do, as far as its algorithm and scheduler know."""
    if not space.leaves:
        return ["nothing to search: one config is trained" if not given else "nothing to search"]
    grid = [grid_line(info, space, given)] if info.settings.algorithm == GRID else []
    grid += [explained(space, info.max_trials)] if info.settings.algorithm == AUTO else []
    rules = [where_line(space)] if space.where else []
    return rules + grid + ([plan_line(info, plan)] if info.settings.scheduler != "none" else [])


def plan_line(info: StudyInfo, plan: Plan) -> str:
    """Returns what the scheduler is about to do, and what that saves."""
    full = info.budget.full
    share = f"{100 * plan.typical / full:.0f}% of the {full} that training every trial fully takes"
    spent = epochs_text(plan.most) if plan.most == plan.typical else f"about {epochs_text(plan.typical)}"
    most = "" if plan.most == plan.typical else f"; {plan.most} at most"
    rungs = ", ".join(str(rung) for rung in plan.rungs)
    note = f"; {plan.note}" if plan.note else ""
    if plan.most < full:
        note = f"; {info.max_epochs - plan.rungs[0]} more at most to train the baseline to the end" + note
    return f"{info.settings.scheduler}: rungs at epochs {rungs}; {spent}, {share}{most}{note}"


def spent_line(info: StudyInfo, trials: Sequence[Trial]) -> str:
    """Returns how many epochs were trained, and how many were saved, in words."""
    spent, full = epochs_spent(info, trials)
    saved = full - spent
    return f"{epochs_text(spent)} trained; {saved} of {full} saved ({100 * saved / max(full, 1):.0f}%)"


def epochs_spent(info: StudyInfo, trials: Sequence[Trial]) -> tuple[int, int]:
    """Returns the epochs trained, and those of training each to the end unless it failed or was cut."""
    spent = {t.number: t.epochs - t.start if t.losses else 0 for t in trials}
    lost = [t.number for t in trials if t.state in (State.FAILED, State.KILLED)]
    full = sum(spent[number] if number in lost else info.max_epochs for number in spent)
    return sum(spent.values()), full


def grid_line(info: StudyInfo, space: Space, given: Sequence[Config]) -> str:
    """Returns how large the grid is, and how much of it will be tried.

    Args:
        given: configs to be tried first; one that is not on the grid takes the place of one that is.
    """
    size, points = grid_size(space, info.settings.grid_points), info.settings.grid_points
    off_grid = sum(not is_on_grid(space, config, points) for config in given)
    tried = max(0, min(size, info.max_trials - 1 - off_grid))
    return f"grid: {size} combinations, of which {tried} are tried beside the baseline"


def where_line(space: Space) -> str:
    """Returns how much of the space its constraints leave."""
    rules, part = " and ".join(where.text for where in space.where), 100 * share(space)
    return f"where: {rules} leaves about {part:.2g}% of the space"


def best_rows(info: StudyInfo, trials: Sequence[Trial], count: int) -> tuple[list[str], list[list[str]]]:
    """Returns the head and the rows of a table of the best trials, best first."""
    top = ordered(info, trials)[:count]
    names = list(dict.fromkeys(name for trial in top for name in trial.config))
    rows = [
        [str(place), str(t.number), *_values_cells(info, t), str(t.epochs), f"{t.seconds:.1f}"]
        + [cell(t.config.get(name, MISSING)) for name in names]
        for place, t in enumerate(top, 1)
    ]
    return ["rank", "trial", *(m.name for m in info.metrics), "epochs", "seconds", *names], rows


def _values_cells(info: StudyInfo, trial: Trial) -> list[str]:
    values = values_of(trial, info.metrics)
    return [value_text(values[m.name]) if m.name in values else MISSING for m in info.metrics]


def escaped(words: str) -> str:
    """Returns words for a cell of a Markdown table: no HTML, no column and no line of their own."""
    return escape(words, quote=False).replace("|", "\\|").replace("\n", " ")


def cell(value: object) -> str:
    """Returns a value as text for a table, cut if it is too long."""
    words = text(value)
    return words if len(words) <= MAX_CELL else words[: MAX_CELL - 1] + "…"


def text(value: object) -> str:
    """Returns a hyperparameter's value as text: floats to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
