"""The best validation loss so far over wall seconds, a line for each run; part of `race.py`."""

from pathlib import Path
from typing import Any

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")


def draw(task: str, target: float, runs: list[dict[str, Any]], path: Path) -> None:
    """Write the picture as a page of its own."""
    import plotly.graph_objects as go

    systems = list(dict.fromkeys(r["system"] for r in runs))
    figure = go.Figure()
    for system, colour in zip(systems, COLOURS, strict=False):
        for place, run in enumerate(r for r in runs if r["system"] == system):
            seconds, best = _best_so_far(run["curve"])
            line = {"color": colour, "shape": "hv"}
            name = {"name": system, "legendgroup": system, "showlegend": place == 0}
            figure.add_scatter(x=seconds, y=best, mode="lines", line=line, opacity=0.7, **name)
    figure.add_hline(target, line_dash="dot")
    title = f"{task}: best val_loss so far, and the target, {target:g}"
    figure.update_layout(title=title, xaxis_title="wall seconds, imports included")
    figure.update_yaxes(type="log", title="val_loss")
    figure.write_html(path, include_plotlyjs="cdn")


def _best_so_far(curve: list[list[float]]) -> tuple[list[float], list[float]]:
    seconds, best = list[float](), list[float]()
    for at, loss in curve:
        if not best or loss < best[-1]:
            seconds.append(at)
            best.append(loss)
    return seconds, best
