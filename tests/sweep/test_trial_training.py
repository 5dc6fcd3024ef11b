"""A trial that really trains, in processes of its own, killed on the way: the same weights to the last bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gapsack.models.checkpoints import read_weights
from gapsack.sweep.cluster.ray import worker_environment
from gapsack.sweep.grid.schema import Resources

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("run_one_trial.py")


def start(spec):
    file = Path(spec.run_folder) / "spec.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(spec.to_dict()))
    environment = os.environ | worker_environment(Resources(), os.environ)
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(file)], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.long
def test_a_killed_training_goes_on_to_the_same_bits(small_trial):
    training = {"steps": 400, "checkpoint_steps": 100, "evaluation_steps": 100, "log_steps": 50}
    whole, killed = small_trial("whole", **training), small_trial("killed", **training)
    together = start(whole)
    process = start(killed)
    for line in process.stdout:
        if line.strip() == "150":
            process.kill()
            break
    process.communicate()
    assert not killed.folder.record.exists()
    assert (killed.folder.checkpoints / "weights-000000100.npz").exists()

    again = start(killed)
    steps = again.communicate(timeout=200)[0].split()
    assert again.returncode == 0
    assert together.communicate(timeout=200)[0].split()[0] == "50"
    assert together.returncode == 0

    assert steps[0] == "150"  # from the checkpoint at step 100, not from the beginning
    weights = read_weights(whole.folder.weights)
    for name, array in read_weights(killed.folder.weights).items():
        np.testing.assert_array_equal(weights[name], array, err_msg=name)
    records = [json.loads(spec.folder.record.read_text()) for spec in (whole, killed)]
    for key in ("gap", "gap_single", "gap_averaged", "averaging_range", "gap_by_precision", "averaging_evaluated"):
        assert records[0][key] == records[1][key]
    assert records[0]["gap"] > 0.2  # a guess scores 0.08
