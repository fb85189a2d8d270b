"""Proposes a config for each new trial: the baseline, given ones, copies, or the algorithm's."""

from collections import deque
from collections.abc import Mapping, Sequence

from mlflow_hpo.algorithms import propose, propose_asked
from mlflow_hpo.schedulers.explore import explore
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.trial import Config, Trial


class Proposer:
    """Proposes configs for a study.

    Attributes:
        is_exhausted: the algorithm has nothing left to propose.
        added: configs that somebody added by hand, to be tried next.
    """

    def __init__(self, plan: StudyPlan) -> None:
        self._plan, self._seed = plan, plan.info.settings.seed
        self.is_exhausted = False
        self.added = deque[Config]()

    def config(
        self, number: int, source: int | None, trials: Mapping[int, Trial], seen: Sequence[Trial]
    ) -> Config | None:
        """Returns the config of trial `number`; None if the algorithm has nothing left to propose.

        Args:
            source: the trial that it is a changed copy of.
            seen: the trials as deciders see them.
        """
        plan, config = self._plan, None
        if source is not None:
            return explore(plan.space, trials[source].config, plan.model.changeable, number, self._seed)
        if number == 0:
            return plan.model.baseline(plan.space)
        if number <= len(plan.first):
            return plan.first[number - 1]
        if self.added:
            return self.added.popleft()
        known = [*plan.earlier, *seen]
        if plan.asks:
            config = propose_asked(plan.algorithm, known, number, self._seed)
        else:
            config = propose(plan.algorithm, plan.space, known, number, self._seed)
        self.is_exhausted = config is None
        return config
