"""Gives a good engineer's advice on a study: rules, each of which says a sentence or nothing."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median, stdev

from mlflow_hpo.report import summary
from mlflow_hpo.report.hyperparameters import Column, columns
from mlflow_hpo.report.plots import timeline
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView

TOP = 5  # the trials that are compared with the best
FEWEST = 10  # trials with a value, below which nothing is said of ranges and luck
AT_EDGE, NEAR_EDGE = 0.05, 0.15  # parts of a range: for the best, and for most of the top
LAST_EPOCHS, FEWEST_EPOCHS = 6, 4  # of a curve, to tell its noise
IDLE = 0.2  # share of the workers' time that is worth a word
AWAY = 60.0  # seconds in which nothing ran: then no driver was at work


def advice(snapshot: StudySnapshot) -> list[str]:
    """Returns the sentences of all rules, the most urgent first."""
    return [sentence for rule in RULES if (sentence := rule(snapshot))]


def failures(snapshot: StudySnapshot) -> str:
    """Says how many failed, and the commonest reason."""
    reasons = reason_counts(snapshot)
    if not reasons:
        return ""
    reason, count = reasons[0]
    failed = len(snapshot.failed)
    share = f"{failed:,} of {len(snapshot.views):,} trials failed"
    return f"{share}: {reason}." if count == failed else f"{share}; {count:,} of them: {reason}."


def reason_counts(snapshot: StudySnapshot) -> list[tuple[str, int]]:
    """Returns the reasons of failures, the commonest first; those that differ in a number count as one."""
    counts, first = Counter[str](), dict[str, str]()
    for view in snapshot.failed:
        kind = re.sub(r"\d+", "0", view.trial.reason)
        counts[kind] += 1
        first.setdefault(kind, view.trial.reason or "no reason was given")
    return [(first[kind], count) for kind, count in counts.most_common()]


def gain(snapshot: StudySnapshot) -> str:
    """Says if the search brought nothing, or less than the noise."""
    best, base = snapshot.best, snapshot.baseline
    if best is None or base is None or len(snapshot.scored) < 2 or len(snapshot.info.metrics) > 1:
        return ""
    if best is base:
        return "No trial beats the baseline: search longer, or around its values, or take it that it is good."
    better, noise = summary.gain(snapshot.info, best.trial, snapshot.trials), noise_of(snapshot)
    if noise and better is not None and better < 2 * noise:
        return (
            f"The gain over the baseline, {better:.3g}, is within noise: a trial's own "
            f"{snapshot.info.metric.name} still varies by {noise:.2g} from epoch to epoch "
            "(standard deviation over the last epochs)."
        )
    return ""


def edges(snapshot: StudySnapshot) -> str:
    """Names the hyperparameters whose best values lie at an end of their range."""
    if len(snapshot.scored) < FEWEST:
        return ""
    return " ".join(sentence for column in columns(snapshot) if (sentence := _edge(snapshot, column)))


def _edge(snapshot: StudySnapshot, column: Column) -> str:
    best = snapshot.best
    if column.is_choice or best is None or best.number not in column.parts:
        return ""
    side = _side(column, best.number, AT_EDGE)
    (low, _), (high, _) = column.ends()
    if not side or (side == "lower" and low == "0"):  # it may not be able to be less
        return ""
    top = [view.number for view in snapshot.ranked[:TOP] if view.number in column.parts]
    near = sum(_side(column, n, NEAR_EDGE) == side for n in top)
    if near <= TOP // 2:
        return ""
    value = summary.text(column.values[best.number])
    return (
        f"The best value of {column.title}, {value}, lies at the {side} edge of its range "
        f"({low} to {high}), and {near} of the best {len(top)} lie near it: widen it."
    )


def _side(column: Column, number: int, within: float) -> str:
    """Returns the edge that a trial's value lies near, `lower` or `upper`; empty if near neither."""
    part, value = column.parts[number], column.values[number]
    if part <= within or value == column.at(0.0):
        return "lower"
    return "upper" if part >= 1 - within or value == column.at(1.0) else ""


def top_noise(snapshot: StudySnapshot) -> str:
    """Says if the best trials cannot be told apart."""
    top, noise = snapshot.ranked[:TOP], noise_of(snapshot)
    if len(top) < TOP or noise is None:
        return ""
    first, last = top[0].value or 0.0, top[-1].value or 0.0
    if abs(first - last) >= 2 * noise:
        return ""
    return (
        f"The top five are within noise: they differ by {abs(first - last):.2g}, and the "
        f"{snapshot.info.metric.name} of each still varies by {noise:.2g} from epoch to epoch "
        "(standard deviation over its last epochs). "
        "Train them with other seeds before you choose, or take the cheapest."
    )


def noise_of(snapshot: StudySnapshot) -> float | None:
    """Returns how much the metric varies from epoch to epoch: the median over the best trials, or None.

    Of several metrics that one alone does not tell which trials are the best.
    """
    if len(snapshot.info.metrics) > 1:
        return None
    curves = [[value for _, value in view.curve] for view in snapshot.ranked[:TOP]]
    noises = [noise for curve in curves if (noise := curve_noise(curve)) is not None]
    return median(noises) if noises else None


def curve_noise(values: Sequence[float]) -> float | None:
    """Returns the standard deviation of a curve's last steps over √2; None if it is too short."""
    last = values[-LAST_EPOCHS:]
    if len(last) < FEWEST_EPOCHS:
        return None
    return stdev([b - a for a, b in pairwise(last)]) / 2**0.5


def still_learning(snapshot: StudySnapshot) -> str:
    """Says if the best trial would have gained from more epochs."""
    best = snapshot.best
    values = [v for _, v in best.curve] if best else []
    noise = curve_noise(values)
    if best is None or noise is None or best.stopped(snapshot.info):
        return ""
    third = values[-(len(values) // 3) - 1]
    more = snapshot.info.metric.loss(third) - snapshot.info.metric.loss(values[-1])
    if more <= 3 * noise or values[-1] != min(values, key=snapshot.info.metric.loss):
        return ""
    return (
        f"Trial {best.number}, the best, was still learning when it ended: its {snapshot.info.metric.name} "
        f"gained {more:.2g} in the last third of its epochs. More max_epochs may help."
    )


def luck(snapshot: StudySnapshot) -> str:
    """Says if more trials would find better ones, or would not."""
    best, count = snapshot.best, len(snapshot.scored)
    if best is None or count < FEWEST:
        return ""
    since = sum(view.number > best.number for view in snapshot.scored)
    if since <= count // 10:
        place = f"trial {best.number} of {len(snapshot.views)}"
        return f"The best came late, {place}: more trials may find better ones."
    if since >= 0.6 * count and best is not snapshot.baseline:
        return (
            f"The best came early, trial {best.number}, and {since} trials since then brought none better: "
            "more of the same will hardly help."
        )
    return ""


def pruning(snapshot: StudySnapshot) -> str:
    """Says what the scheduler saved."""
    if snapshot.info.settings.scheduler == "none" or not snapshot.scored:
        return ""
    spent, full = summary.epochs_spent(snapshot.info, snapshot.trials)
    early = sum(view.stopped(snapshot.info) for view in snapshot.scored)
    return (
        f"Pruning saved {100 * (full - spent) / max(full, 1):.0f}% of the epochs: {spent:,} were trained, "
        f"not {full:,}; {early:,} of {len(snapshot.views):,} trials were stopped early."
    )


def idle(snapshot: StudySnapshot) -> str:
    """Says if the workers waited for long."""
    share = idle_share(snapshot)
    if share is None or share < IDLE:
        return ""
    return (
        f"Workers were idle {100 * share:.0f}% of the time between the first unit and the last: fewer "
        "workers would have done, or more trials would have cost little."
    )


def idle_share(snapshot: StudySnapshot) -> float | None:
    """Returns the part of the workers' time in which they trained nothing; None if that cannot be told.

    Pauses of all workers together that are longer than `AWAY` do not count: no driver was at work then.
    """
    spans = sorted((span.begin, span.end) for view in snapshot.views for span in view.spans)
    workers = snapshot.info.settings.workers
    workers = timeline.compute(snapshot).lanes if workers == "auto" else workers
    if not spans or len(snapshot.scored) < 2 * workers:
        return None
    end, time = spans[0][0], 0.0
    for begin, stop in spans:
        time += max(stop - end, 0.0) if begin - end <= AWAY else stop - begin
        end = max(end, stop)
    busy = sum(_worked(view) for view in snapshot.views)
    return max(1 - busy / max(time * workers, 1e-9), 0.0)


def _worked(view: TrialView) -> float:
    return max(view.trial.seconds, sum(span.end - span.begin for span in view.spans))


RULES: tuple[Callable[[StudySnapshot], str], ...] = (
    failures,
    gain,
    edges,
    top_noise,
    still_learning,
    luck,
    pruning,
    idle,
)
