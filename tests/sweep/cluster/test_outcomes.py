"""What Tune's callbacks say, without a sweep."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from ray import cloudpickle
from ray.exceptions import RayTaskError

from gapsack.sweep.cluster.messages import SweepNotice, TrialFailed, TrialInterrupted, TrialRetried, TrialStarted
from gapsack.sweep.cluster.nodes import ClusterNode
from gapsack.sweep.cluster.outcomes import NODE, Outcomes, reported
from gapsack.sweep.cluster.retries import AT_FIRST, MOST_LOSSES, Retries
from gapsack.sweep.cluster.worker import FAILING
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.storage.objects import StorageAwayError

GRID = {
    "name": "run",
    "data": {"level": "video", "validate": ["v"], "classes": 10},
    "model": {"family": "gated_netvlad"},
    "search": {"grid": {"clusters": [4], "hidden": [8]}},
}
NODES = [ClusterNode("1" * 56, "worker1", "10.0.0.1"), ClusterNode("2" * 56, "worker2", "10.0.0.2")]


def test_of_a_report_only_what_the_trial_said_is_passed_on_as_plain_numbers():
    result = {
        "status": "running", "step": np.int64(5), "loss": np.float32(0.5), "gap": None, "phase": "train", "last": True,
        "config": {"clusters": 4}, "pid": 1, "hostname": "h", "training_iteration": 3, "time_total_s": 1.5,
    }  # fmt: skip
    plain = reported(result)
    assert json.dumps(plain) == (
        '{"status": "running", "step": 5, "loss": 0.5, "gap": null, "phase": "train", "last": true}'
    )


class TuneTrial(SimpleNamespace):
    """A trial as Tune has it, with the files that it keeps of errors."""

    def should_recover(self):
        return self.num_failures <= self.max_failures

    def fails(self, error):
        self.num_failures += 1
        kept = isinstance(error, RayTaskError)
        if kept:
            self.folder.joinpath("error.pkl").write_bytes(cloudpickle.dumps(error))
            self.pickled_error_file = str(self.folder / "error.pkl")
        with self.folder.joinpath("error.txt").open("a") as file:
            file.write(f"Failure # 1 (occurred at 2026-01-01_00-00-00)\n{error}\n")
        self.error_file = str(self.folder / "error.txt")


@pytest.fixture
def trial(tmp_path):
    return TuneTrial(
        trial_id="t1",
        config={"clusters": 4, "hidden": 8},
        folder=tmp_path,
        error_file=None,
        pickled_error_file=None,
        num_failures=0,
        max_failures=AT_FIRST,
    )


@pytest.fixture
def sweep(tmp_path):
    return SweepSpec(str(tmp_path / "run"), Grid.model_validate(GRID), ("train",), ("holdout",))


def disk_full(ip):
    """As Ray raises it where a call's answer is asked for: an error of both kinds."""
    trace = f'ray::ImplicitFunc.train() (pid=7, ip={ip}, actor_id=1f)\n  File "trial.py"\nOSError: the disk is full'
    return RayTaskError("train", trace, OSError("the disk is full"), ip=ip).as_instanceof_cause()


def test_reasons_name_the_node_of_the_attempt(sweep, trial):
    """By what the attempt reported; where it came to no report, by the address that the error has."""
    told = []
    retries = Retries(0)
    outcomes = Outcomes(sweep, told.append, retries, lambda: NODES)
    outcomes.on_trial_result(0, [trial], trial, {"status": "running", "phase": "start", NODE: "2" * 56})
    trial.fails(disk_full("10.0.0.1"))
    outcomes.on_trial_recover(0, [trial], trial)
    retries.on_trial_result(0, [trial], trial, {"status": FAILING})
    trial.fails(disk_full("10.0.0.1"))
    outcomes.on_trial_error(0, [trial], trial)
    assert [type(message) for message in told] == [TrialStarted, TrialRetried, TrialFailed]
    assert told[1].reason == "on worker2 (10.0.0.2): OSError: the disk is full"
    assert told[2].reason == "on worker1 (10.0.0.1): OSError: the disk is full"
    assert sweep.run.trial("K4-H8").failure_reason() == told[2].reason


def test_an_error_that_tune_kept_as_text_is_not_taken_for_the_one_before(sweep, trial):
    told = []
    outcomes = Outcomes(sweep, told.append, Retries(1))
    trial.fails(disk_full("10.0.0.1"))
    outcomes.on_trial_recover(0, [trial], trial)
    trial.fails(RuntimeError("Task was killed due to the node running low on memory."))
    outcomes.on_trial_recover(0, [trial], trial)
    assert told[0].reason == "OSError: the disk is full"
    assert told[1].reason.startswith("Ray ended the worker, since the node ran low on memory")


def test_what_tune_gives_up_too_soon_is_trained_at_the_end_and_not_for_ever(sweep, trial):
    """As it does with a worker that is lost between two trials."""
    told = []
    outcomes = Outcomes(sweep, told.append, Retries(0))
    for _ in range(MOST_LOSSES):
        trial.num_failures = 0  # Tune's next trial of the same point
        trial.fails(RuntimeError("the worker is gone"))
        outcomes.on_trial_error(0, [trial], trial)
        assert outcomes.take_given_up() == [{"clusters": 4, "hidden": 8}]
        assert outcomes.take_given_up() == []
        assert not sweep.run.trial("K4-H8").failure.exists()
    trial.fails(RuntimeError("the worker is gone"))
    outcomes.on_trial_error(0, [trial], trial)
    assert outcomes.take_given_up() == []
    assert [type(message) for message in told] == [TrialRetried] * MOST_LOSSES + [TrialFailed]
    assert sweep.run.trial("K4-H8").failure_reason() == told[-1].reason


def test_a_bucket_that_is_away_is_waited_for(sweep, trial, monkeypatch):
    told, left = [], [2]

    def bring_ended(_run, _trial):
        if left[0]:
            left[0] -= 1
            raise StorageAwayError(5, "none for 120 seconds: lost", "s3://bucket/runs")

    monkeypatch.setattr("gapsack.sweep.cluster.outcomes.bring_ended", bring_ended)
    monkeypatch.setattr("gapsack.sweep.cluster.away.LOOK_SECONDS", 0.0)
    trial.last_result = {"status": "interrupted"}
    Outcomes(sweep, told.append, Retries(0)).on_trial_complete(0, [trial], trial)
    away = SweepNotice(
        "expected s3://bucket/runs to answer, got none for 120 seconds: lost; the sweep waits until it does"
    )
    assert told == [away, away, TrialInterrupted("K4-H8")]
    left[0], told[:] = 10**9, []
    sweep.run.path.mkdir(exist_ok=True)
    sweep.run.stop_file.touch()
    trial.last_result = {"status": "done"}
    Outcomes(sweep, told.append, Retries(0)).on_trial_complete(0, [trial], trial)
    assert told == [TrialInterrupted("K4-H8")], "its record is in the bucket, and told when the sweep goes on"


def test_a_trial_that_its_bucket_left_is_told_in_a_sentence(sweep, trial):
    told = []
    outcomes = Outcomes(sweep, told.append, Retries(0), lambda: NODES)
    away = StorageAwayError(5, "none for 120 seconds: lost", "s3://bucket/runs")
    trace = f"ray::ImplicitFunc.train() (pid=7, ip=10.0.0.1, actor_id=1f)\n{away}"
    error = RayTaskError("train", trace, away, ip="10.0.0.1").as_instanceof_cause()
    trial.fails(error)
    outcomes.on_trial_recover(0, [trial], trial)
    reason = "on worker1 (10.0.0.1): expected s3://bucket/runs to answer, got none for 120 seconds: lost"
    assert told == [TrialRetried("K4-H8", reason)]
    trial.fails(error)
    trial.max_failures = 0  # as after the last that was to be tried
    assert not trial.should_recover()
    outcomes.on_trial_error(0, [trial], trial)
    assert told[1:] == [TrialRetried("K4-H8", reason)]
    assert outcomes.take_given_up() == [trial.config], "the bucket answers now"
