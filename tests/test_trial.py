"""A trial that ended by itself, as schedulers see it."""

from dataclasses import replace

from mlflow_hpo.schedulers import Asha, Budget
from mlflow_hpo.trial import State, Trial

RUNGS = Budget(4, 9).rungs
EARLY = Trial(0, "", State.FINISHED, {}, {"loss": {1: 0.5, 2: 0.4}}, ended_itself=True)
WORSE = [Trial(n, "", State.PAUSED, {}, {"loss": {1: 0.5 + n}}) for n in (1, 2, 3)]


def test_one_that_ended_by_itself_has_its_last_loss_at_the_rungs_beyond() -> None:
    assert EARLY.extended_to(RUNGS).losses == {1: 0.5, 2: 0.4, 3: 0.4, 9: 0.4}
    assert EARLY.epochs == 2  # what was trained stays what it was


def test_one_that_merely_rests_is_seen_as_it_is() -> None:
    resting = replace(EARLY, state=State.PAUSED, ended_itself=False)
    assert resting.extended_to(RUNGS) is resting


def test_it_is_not_promoted_and_counts_as_trained_to_the_end() -> None:
    scheduler = Asha(Budget(4, 9))
    assert scheduler.next([EARLY.extended_to(RUNGS), *WORSE]) is None
    unit = scheduler.next([EARLY, *WORSE])  # as it would be without: another would be trained to the end
    assert unit is not None
