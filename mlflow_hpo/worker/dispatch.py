"""Makes what a study tells its workers."""

import numpy as np

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
