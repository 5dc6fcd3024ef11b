"""What Tune's callbacks say, without a sweep."""

import json

import numpy as np

from gapsack.sweep.cluster.outcomes import reported


def test_of_a_report_only_what_the_trial_said_is_passed_on_as_plain_numbers():
    result = {
        "status": "running", "step": np.int64(5), "loss": np.float32(0.5), "gap": None, "phase": "train", "last": True,
        "config": {"clusters": 4}, "pid": 1, "hostname": "h", "training_iteration": 3, "time_total_s": 1.5,
    }  # fmt: skip
    plain = reported(result)
    assert json.dumps(plain) == (
        '{"status": "running", "step": 5, "loss": 0.5, "gap": null, "phase": "train", "last": true}'
    )
