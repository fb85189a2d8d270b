"""A plain function of a config: a damped oscillator is to come to rest as early as it can."""

import numpy as np

SECONDS, STEP = 20.0, 0.01


def settling_time(config):
    x, v, settled = 1.0, 0.0, 0.0
    for t in np.arange(0, SECONDS, STEP):
        v -= STEP * (config["stiffness"] * x + config["damping"] * v)
        x += STEP * v
        if abs(x) > 0.02:
            settled = t
    return settled
