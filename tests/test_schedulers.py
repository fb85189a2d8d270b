from contracts import SchedulerContract

from mlflow_hpo.trial import State, Trial, Unit


class TestFullTraining(SchedulerContract):
    name = "none"

    def test_every_trial_is_trained_to_the_end_in_one_unit(self) -> None:
        _, given = self.play(1)
        assert given == [Unit(n, 0, 9) for n in range(7)]

    def test_a_trial_that_was_cut_after_a_unit_goes_on_from_its_checkpoint(self) -> None:
        cut = Trial(0, "", State.KILLED, {}, {3: 0.5})
        assert self.scheduler().next([cut]) == Unit(0, 3, 9, source=0)
