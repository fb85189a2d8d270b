"""What a study has found so far, as Python sees it."""

from typing import TYPE_CHECKING

from mlflow_hpo.errors import StudyError
from mlflow_hpo.trial import Config, Trial

if TYPE_CHECKING:
    import pandas as pd

    from mlflow_hpo.objectives.spec import ObjectiveSpec
    from mlflow_hpo.report.study_info import StudyInfo
    from mlflow_hpo.store import StudyRun


class StudyResults:
    """The trials of a study, and the best of them."""

    def __init__(self, run: "StudyRun", info: "StudyInfo", spec: "ObjectiveSpec") -> None:
        """Keeps what tells of the study; it has no trials yet."""
        self._run, self._info, self._spec = run, info, spec
        self._trials: list[Trial] = []

    @property
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return self._trials

    @property
    def run_id(self) -> str:
        """The study's run in MLflow."""
        return str(self._run.run_id)

    @property
    def best_trial(self) -> Trial:
        """The best trial.

        Raises:
            StudyError: none finished.
        """
        from mlflow_hpo.report.winner import winner as winner_of

        winner = winner_of(self._info, self.trials)
        if winner is None:
            raise StudyError(f"study {self.run_id} has no finished trial")
        return winner

    @property
    def front(self) -> list[Trial]:
        """The trials that no other beats in all metrics; with one metric, the best alone."""
        from mlflow_hpo.metric import front

        return front(self.trials)

    @property
    def best_config(self) -> Config:
        """The best trial's hyperparameters, as your code was given them."""
        from mlflow_hpo.objectives.given_config import given_config

        return given_config(self._spec, self.best_trial.config)

    @property
    def best_value(self) -> float:
        """The metric of the best trial."""
        loss = self.best_trial.loss
        assert loss is not None
        return self._info.metric.value(loss)

    def trials_dataframe(self) -> "pd.DataFrame":
        """The ranking: one row for each trial, best first (see `report.ranking.rank`)."""
        from mlflow_hpo.report.ranking import rank

        return rank(self._info, self.trials)

    def __repr__(self) -> str:
        from mlflow_hpo.report.summary import headline

        return f"<study {self._run.name} ({self.run_id}): {headline(self._info, self.trials)}>"
