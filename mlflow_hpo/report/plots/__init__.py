"""The plots of the page, in its order. Each is a file: one function computes its data, one draws them."""

from typing import Any

from mlflow_hpo.report.plots import (
    contours,
    curves,
    front,
    hardware,
    history,
    importance,
    parallel,
    several,
    slices,
    timeline,
)
from mlflow_hpo.report.plots.base import Plot, PlotData

__all__ = ["PLOTS", "Plot", "PlotData", "front", "several", "timeline"]

PLOTS: tuple[Plot[Any], ...] = (
    history.PLOT,
    history.WALL_TIME,
    curves.PLOT,
    importance.PLOT,
    contours.PLOT,
    slices.PLOT,
    parallel.PLOT,
    timeline.PLOT,
    hardware.PLOT,
)
