"""Which attempts count, by what Tune is told before it decides; Tune's own arithmetic is in `lose` and `fail`."""

from types import SimpleNamespace

import pytest

from gapsack.sweep.cluster.retries import AT_FIRST, MOST_LOSSES, Retries


class TunedTrial(SimpleNamespace):
    """As Tune handles the end of an attempt: counted, compared with `max_failures`, told afterwards."""

    def __init__(self, retries):
        super().__init__(trial_id="1", num_failures=0, max_failures=AT_FIRST)
        self.callback = Retries(retries)

    def hear(self, **result):
        self.callback.on_trial_result(0, [], self, result)

    def lose(self):
        """The attempt ends without a word; whether another follows."""
        self.num_failures += 1
        follows = self.num_failures <= self.max_failures
        if follows:
            self.callback.on_trial_recover(0, [], self)
        return follows

    def fail(self):
        """The attempt ends by an error of its own."""
        self.hear(status="failing")
        return self.lose()


def saved(step):
    return {"status": "saved", "phase": "checkpoint", "checkpoint": step}


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_attempts_that_fail_by_themselves_count_whatever_they_have_learnt(retries):
    trial = TunedTrial(retries)
    follows = []
    for step in range(retries + 1):
        trial.hear(**saved(10 * step))
        follows.append(trial.fail())
    assert follows == [True] * retries + [False]
    assert trial.callback.why_no_more(trial) == ""


def test_attempts_that_are_lost_do_not_count_as_long_as_there_is_progress():
    trial = TunedTrial(0)
    for step in range(50):
        trial.hear(status="running", phase="start")
        trial.hear(**saved(10 * step))
        assert trial.lose()
    for evaluation in range(1, 20):
        trial.hear(status="running", phase="averaging", evaluations=evaluation)
        assert trial.lose()
    assert not trial.fail(), "no retries"


def test_a_trial_that_is_lost_over_and_over_without_progress_ends():
    trial = TunedTrial(10)
    trial.hear(**saved(100))
    follows = []
    for _ in range(MOST_LOSSES):
        trial.hear(status="running", phase="start")
        trial.hear(status="running", phase="training", step=90)
        trial.hear(**saved(100))  # again what there was before
        follows.append(trial.lose())
    assert follows == [True] * (MOST_LOSSES - 1) + [False]
    assert trial.callback.why_no_more(trial) == "; 5 attempts in a row were lost so, without a newer checkpoint"


def test_a_trial_whose_workers_never_come_up_ends():
    trial = TunedTrial(10)
    assert [trial.lose() for _ in range(MOST_LOSSES)] == [True] * (MOST_LOSSES - 1) + [False]


def test_failures_between_losses_are_counted_apart():
    trial = TunedTrial(2)
    assert trial.lose()
    assert trial.fail()
    assert trial.lose()
    assert trial.fail()
    trial.hear(**saved(5))
    assert trial.lose()
    assert not trial.fail()
