"""What a model costs whoever uses it: its parameters, and the time of a prediction."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

PARAMETERS, INFERENCE = "model_parameters", "inference_ms"
BATCH = 32  # rows that are predicted at once
UNTIMED, TIMED = 2, 5  # calls: a framework prepares itself in the first ones


def inference_ms(predict: Callable[[Any], Any], rows: Any) -> float:
    """The median time in milliseconds of predicting the first 32 rows at once, in this process."""
    batch = rows.head(BATCH) if hasattr(rows, "head") else rows[:BATCH]
    taken = []
    for _ in range(UNTIMED + TIMED):
        started = time.perf_counter()
        predict(batch)
        taken.append(1000 * (time.perf_counter() - started))
    return median(taken[UNTIMED:])
