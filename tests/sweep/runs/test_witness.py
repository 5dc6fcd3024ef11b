"""A worker that does not see the run's folder fails its trial with the node and the path, before it trains."""

import os
import pickle

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.errors import UnfitNodeError
from gapsack.sweep.runs import witness


def test_who_sees_the_folder_passes_and_each_start_is_another_one(tmp_path):
    first = witness.leave_witness(tmp_path)
    witness.refuse_another_folder(tmp_path, first, 0)
    second = witness.leave_witness(tmp_path)
    assert second != first
    with pytest.raises(InputError, match="got that of another start"):
        witness.refuse_another_folder(tmp_path, first, 0)


def test_what_appears_late_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(witness.time, "sleep", lambda _seconds: (tmp_path / witness.WITNESS_FILE).write_text("token"))
    witness.refuse_another_folder(tmp_path, "token", 600)


def test_a_worker_elsewhere_fails_its_trial_and_makes_no_folder(tmp_path, small_trial, monkeypatch):
    tune = pytest.importorskip("gapsack.sweep.cluster.tune")
    from gapsack.sweep.runs.spec import SweepSpec

    trial = small_trial()
    here = tmp_path / "only-on-the-drivers-machine"
    sweep = SweepSpec(str(here), trial.grid, trial.train_files, trial.holdout_files, "token")
    monkeypatch.setattr("gapsack.sweep.runs.witness.time.monotonic", iter(range(0, 10_000, 100)).__next__)
    monkeypatch.setattr("gapsack.sweep.runs.witness.time.sleep", lambda _seconds: None)
    told = tune.trainable(pickle.dumps(None), sweep, None, on_cluster=False)(dict(trial.point.axes))
    assert told["status"] == "failed"
    where = f"on the node {os.uname().nodename} the run's folder {here}"
    assert where in told["reason"]
    with pytest.raises(UnfitNodeError, match=where):  # the next attempt may go to another node
        tune.trainable(pickle.dumps(None), sweep, None, on_cluster=True)(dict(trial.point.axes))
    assert not here.exists()
