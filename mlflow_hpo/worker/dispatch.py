"""What a study's workers are told, and the words for how one of them died."""

import signal

import numpy as np
from pebble import ProcessExpired

from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun
from mlflow_hpo.worker.train import Task


def seed_of(settings: Settings, number: int) -> int:
    """What a trial trains with: derived, never stored for a resume."""
    return int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0]) % 2**31


def make_task(settings: Settings, run: StudyRun) -> Task:
    """What the study's workers need to know."""
    return Task(
        spec=settings.spec,
        metric=settings.metric,
        maximize=settings.maximize,
        target=None if settings.target is None else settings.loss(settings.target),
        max_epochs=settings.epochs,
        tracking_uri=run.connection.uri,
        experiment_id=run.experiment_id,
        study_id=run.run_id,
        trial_timeout=settings.trial_timeout,
    )


def death(lost: ProcessExpired) -> str:
    """How a worker died, in words."""
    code: int = getattr(lost, "exitcode", 0) or 0
    if code >= 0:
        return f"its worker ended with exit status {code}"
    name = signal.Signals(-code).name
    hint = " (out of memory?)" if -code == signal.SIGKILL else ""
    return f"its worker was killed by {name}{hint}"
