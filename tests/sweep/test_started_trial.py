"""A trial that begins with another's published weights: it does so exactly, resumes to the bit, and says so."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gapsack.models.checkpoints import read_weights
from gapsack.selection.files import replace_json
from gapsack.selection.pool.origin import StartedFrom, read_origin
from gapsack.sweep.errors import ConfigError
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.starting_weights import with_sources
from gapsack.sweep.trial.control import Control, TrialInterruptedError
from gapsack.sweep.trial.run import run_trial

pytestmark = pytest.mark.slow

PHASE = {"steps": 10, "ema_decay": 0.75, "learning_rate": 0.01}


def run(spec, stop_at=None):
    steps = []

    def report(metrics):
        steps.append(metrics.get("step") or 0)

    return run_trial(spec, Control(report, lambda: stop_at is not None and max(steps, default=0) >= stop_at))


@pytest.fixture
def started(small_trial):
    """Makes a trial that begins with that of the run `first`, as `sweep run` would: started("run", steps=3)."""

    def make(name, **training):
        spec = small_trial(name, start_from={"run": "first"}, **training)
        grid = with_sources(spec.grid, spec.run)
        return SweepSpec(spec.run_folder, grid, spec.train_files, spec.holdout_files).trial(spec.point.axes)

    return make


@pytest.fixture
def first(small_trial):
    """The trial that others begin with, done."""
    spec = small_trial("first", steps=6)
    run(spec)
    replace_json(spec.run.config_file, spec.grid.to_dict())  # as `sweep run` does
    return spec


def test_a_phase_begins_with_the_weights_and_resumes_to_the_bit(first, started):
    source = read_weights(first.folder.weights)
    still = started("still", steps=1, learning_rate=1e-30)
    run(still)
    for name, array in read_weights(still.folder.weights).items():
        if "moving" in name:
            np.testing.assert_allclose(array, source[name], rtol=0, atol=0.002 * np.abs(source[name]).max() + 0.01)
        else:
            np.testing.assert_array_equal(array, source[name], err_msg=name)

    whole, stopped, lost = (started(name, **PHASE) for name in ("whole", "stopped", "lost"))
    record = run(whole)
    with pytest.raises(TrialInterruptedError):
        run(stopped, stop_at=4)
    first.folder.weights.rename(first.folder.weights.with_name("moved.npz"))  # going on needs its own state alone
    run(stopped)
    with pytest.raises(ConfigError, match=r"expected a file of weights at .*weights\.npz, got none"):
        run(lost)
    weights = read_weights(whole.folder.weights)
    for name, array in read_weights(stopped.folder.weights).items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)
    assert any(not np.array_equal(source[name], array) for name, array in weights.items())

    sha256 = first.folder.result().files[f"trials/{first.name}/weights.npz"].sha256
    expected = StartedFrom(sha256=sha256, run="first", trial=first.name)
    assert record.started_from == TrialResult.read(whole.folder.record).started_from == expected
    candidate = json.loads((whole.run.pool / f"{whole.name}.json").read_text())
    assert read_origin(candidate["origin"], candidate["hyperparameters"], "").started_from == expected
    assert list(record.training["start_from"]["sources"]) == [whole.name]
    assert first.folder.result().started_from is None
