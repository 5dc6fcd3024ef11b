"""What a sweep comes to when its Tune process dies; it is told by the trials' records. Without Ray."""

from __future__ import annotations

from pathlib import Path

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.drive import Drive
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.messages import (
    Ended,
    Refused,
    TrialFailed,
    TrialFinished,
    TrialInterrupted,
    TrialReported,
    TrialRetried,
    TrialStarted,
)
from gapsack.sweep.cluster.signals import StopRequest
from gapsack.sweep.errors import ClusterError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import state_of

NAMES = ("K4-H8", "K4-H16")
GRID = {
    "name": "run",
    "data": {"level": "video", "validate": ["v"], "classes": 10},
    "model": {"family": "gated_netvlad"},
    "search": {"grid": {"clusters": [4], "hidden": [8, 16]}},
}


class Calls(SweepEvents):
    """Notes the calls that are made of it: of a tracker, or of events by their own names."""

    def __init__(self, names=()):
        self.calls = []
        for name in names:
            setattr(self, name, self._noted(name))

    def _noted(self, name):
        return lambda *values, **_more: self.calls.append((name, *values[:1]))


EVENTS = ("trial_started", "trial_finished", "trial_failed", "trial_retried", "trial_interrupted", "stopping")
TRACKER = ("trial_started", "trial_finished", "trial_failed", "trial_metrics")


class ScriptedProcess:
    """A Tune process that tells what it is given, and does what is among it."""

    def __init__(self, script, *, dies):
        self.script = script
        self.dies = dies
        self.died = False

    def send(self, message):
        pass

    def messages(self):
        for message in self.script:
            if callable(message):
                message()
            else:
                yield message
        self.died = self.dies

    def ending(self):
        return "ended (exit code 1)"

    def last_words(self):
        return "it printed last: The core worker has already been shutdown"


class Sweep:
    """A sweep of two trials, and what is told of it."""

    def __init__(self, folder, trial_result):
        self.spec = SweepSpec(str(folder / "run"), Grid.model_validate(GRID), ("train",), ("holdout",))
        self.trial_result = trial_result
        self.events, self.tracker = Calls(EVENTS), Calls(TRACKER)
        self.stop = StopRequest()

    def finish(self, name):
        self.spec.run.trial(name).finish(self.trial_result(name))

    def done(self, name, *, told=True):
        begun = [TrialStarted(name, {"clusters": 4}), lambda: self.finish(name)]
        return [*begun, TrialFinished(name)] if told else begun

    def run(self, *script, dies=True):
        state = state_of(self.spec.run, self.spec.grid, alive=False)
        process = ScriptedProcess(script, dies=dies)
        return Drive(self.spec, state, process, self.events).run(self.tracker, self.stop)


@pytest.fixture
def sweep(tmp_path: Path, trial_result) -> Sweep:
    return Sweep(tmp_path, trial_result)


def test_after_the_last_record_its_death_is_of_no_concern(sweep):
    result = sweep.run(*sweep.done("K4-H8"), *sweep.done("K4-H16"))
    assert (result.done, result.failed, result.unfinished, result.interrupted) == (NAMES, {}, (), False)


def test_what_it_had_no_time_to_tell_is_told_by_the_record(sweep):
    result = sweep.run(*sweep.done("K4-H8"), *sweep.done("K4-H16", told=False))
    assert result.done == NAMES
    finished = [("trial_finished", name) for name in NAMES]
    assert [call for call in sweep.events.calls if call[0] == "trial_finished"] == finished
    assert [call for call in sweep.tracker.calls if call[0] == "trial_finished"] == finished


def test_with_trials_left_it_is_one_sentence_that_says_how_to_go_on(sweep):
    with pytest.raises(ClusterError) as died:
        sweep.run(*sweep.done("K4-H8"), TrialStarted("K4-H16", {}), TrialReported("K4-H16", {"step": 1, "loss": 2.0}))
    assert str(died.value) == (
        "expected the process of Ray Tune to live until the trials are over, but it ended (exit code 1) with 1 of 2 "
        "trials done; it printed last: The core worker has already been shutdown. sweep run goes on where it ended"
    )
    assert ("trial_finished", "K4-H8") in sweep.tracker.calls
    result = sweep.run(*sweep.done("K4-H16"), Ended(), dies=False)
    assert result.done == NAMES


def test_trials_that_failed_now_are_over_too_but_not_those_that_failed_before(sweep):
    failing = [lambda: sweep.spec.run.trial("K4-H16").fail("no"), TrialFailed("K4-H16", {}, "no")]
    result = sweep.run(*sweep.done("K4-H8"), *failing)
    assert (result.done, result.failed) == (("K4-H8",), {"K4-H16": "no"})
    with pytest.raises(ClusterError, match="with 1 of 2 trials done"):
        sweep.run()  # it died before the failed trial was tried again


def test_a_stop_stays_a_stop_when_it_dies_of_the_same_signal(sweep):
    def stop():
        sweep.stop.number = 15

    result = sweep.run(*sweep.done("K4-H8"), TrialStarted("K4-H16", {}), stop, TrialRetried("K4-H16", "it died"))
    assert (result.done, result.unfinished, result.interrupted) == (("K4-H8",), ("K4-H16",), True)
    assert sweep.events.calls.count(("stopping",)) == 1


def test_a_stop_need_not_wait_for_it_where_nothing_runs(sweep):
    def too_late():
        pytest.fail("it was waited for")

    sweep.stop.number = 15
    running = [TrialStarted("K4-H8", {}), None, TrialInterrupted("K4-H8")]
    assert sweep.run(*running, None, too_late, dies=False).interrupted


def test_a_stop_that_comes_when_all_is_done_changes_nothing(sweep):
    sweep.stop.number = 15
    assert not sweep.run(*sweep.done("K4-H8"), *sweep.done("K4-H16"), Ended(), dies=False).interrupted


def test_a_stop_file_that_somebody_made_by_hand_is_a_stop_too(sweep):
    result = sweep.run(*sweep.done("K4-H8"), sweep.spec.run.stop_file.touch, Ended(), dies=False)
    assert result.interrupted


def test_a_refusal_is_bad_input(sweep):
    with pytest.raises(InputError, match="got 3 CPUs asked for"):
        sweep.run(Refused("got 3 CPUs asked for"), dies=False)
