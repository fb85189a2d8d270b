"""Draws when each worker trained which trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot

MOST = 1500  # bars; of more, neighbours in a lane are drawn as one
KINDS = ("trained to the end", "stopped early", "failed or cut")
COLOURS = (base.PLAIN, base.STOPPED, base.FAILED)
SLACK = 0.02  # seconds: clocks are read to a thousandth, and at two places


@dataclass(frozen=True)
class Bar:
    """A unit in its lane.

    Attributes:
        kind: an index of `KINDS`.
        trials: how many units it stands for.
    """

    lane: int
    begin: float
    end: float
    kind: int
    number: int
    trials: int = 1


@dataclass(frozen=True, kw_only=True)
class Timeline(base.PlotData):
    """Units over time.

    Attributes:
        bars: in seconds since the study began.
        lanes: their number.
        seconds: how long the study took.
    """

    bars: tuple[Bar, ...] = ()
    lanes: int = 0
    seconds: float = 0.0


def compute(snapshot: StudySnapshot) -> Timeline:
    """Returns the plot's data; lanes are filled from the first on."""
    units = sorted(
        (span.begin, span.end, 2 if view.value is None else int(view.stopped(snapshot.info)), view.number)
        for view in snapshot.views
        for span in view.spans
    )
    if not units:
        return Timeline(missing="No unit has ended yet.")
    bars = _laid([Bar(0, begin, end, kind, number) for begin, end, kind, number in units])
    seconds = max(snapshot.seconds, max(b.end for b in bars))
    drawn = _merged(bars, seconds) if len(bars) > MOST else bars
    note = "Lanes are filled from the first on: which worker process ran a unit is not recorded."
    less = f"{len(bars):,} units are drawn as {len(drawn):,} bars." if len(drawn) < len(bars) else ""
    return Timeline(
        note=base.sentences(note, less),
        bars=tuple(drawn),
        lanes=1 + max(b.lane for b in bars),
        seconds=seconds,
    )


def _laid(bars: Sequence[Bar]) -> list[Bar]:
    """Puts each bar into the lowest lane that is free when it begins."""
    free, busy, laid = list[int](), list[tuple[float, int]](), list[Bar]()
    for bar in bars:
        while busy and busy[0][0] <= bar.begin + SLACK:
            heappush(free, heappop(busy)[1])
        lane = heappop(free) if free else len(busy)
        heappush(busy, (bar.end, lane))
        laid.append(Bar(lane, bar.begin, bar.end, bar.kind, bar.number))
    return laid


def _merged(bars: Sequence[Bar], seconds: float) -> list[Bar]:
    """Joins neighbours of one kind in a lane into one bar if the gap between them could not be seen."""
    last, merged = dict[int, int](), list[Bar]()
    for bar in bars:
        place = last.get(bar.lane)
        before = None if place is None else merged[place]
        if (
            place is not None
            and before
            and before.kind == bar.kind
            and bar.begin - before.end < seconds / MOST
        ):
            merged[place] = Bar(
                bar.lane, before.begin, bar.end, bar.kind, before.number, before.trials + bar.trials
            )
        else:
            last[bar.lane] = len(merged)
            merged.append(bar)
    return merged


def draw(data: Timeline) -> list[Any]:
    """Returns the figure."""
    size, unit = base.time_unit(data.seconds)
    height = 150 + min(26 * data.lanes, 700)
    drawn = base.figure(f"{unit} since the study began", "worker", height)
    for kind, name in enumerate(KINDS):
        bars = [b for b in data.bars if b.kind == kind]
        if bars:
            drawn.add_bar(
                x=base.rounds([(b.end - b.begin) / size for b in bars]),
                base=base.rounds([b.begin / size for b in bars]),
                y=[b.lane + 1 for b in bars],
                customdata=[_text(b) for b in bars],
                orientation="h",
                name=name,
                marker={"color": COLOURS[kind], "line": {"color": base.PAPER, "width": 1}},
                hovertemplate=f"%{{customdata}}, %{{x}} {unit}<extra></extra>",
            )
    drawn.update_layout(barmode="overlay", bargap=0.25)
    drawn.update_xaxes(rangemode="tozero")
    drawn.update_yaxes(autorange="reversed", dtick=1 if data.lanes <= 16 else None, showgrid=False)
    return [drawn]


def _text(bar: Bar) -> str:
    return f"trial {bar.number}" if bar.trials == 1 else f"{bar.trials} units from trial {bar.number} on"


PLOT = base.Plot("timeline", "When the workers trained what", compute, draw)
