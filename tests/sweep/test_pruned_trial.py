"""A trial that prunes, really trained: what it publishes has the zeros that it was trained with."""

import csv

import numpy as np
import pytest

from gapsack.models import precisions, sizes
from gapsack.models.checkpoints import read_weights
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.trial.control import Control, TrialInterruptedError
from gapsack.sweep.trial.run import run_trial

TRAINING = {
    "pruning": {"sparsity": 0.75, "begin_step": 2, "end_step": 14, "every_steps": 4},
    "precisions": ["pruned75_float16", "pruned75_int8"],
    "calibration_videos": 20,
    "evaluation_steps": 6,
}


def run(spec, stop_at=None):
    """Run a trial; a stop is asked for at a step, once."""
    reports = []

    def should_stop():
        return stop_at is not None and bool(reports) and reports[-1].get("step", 0) >= stop_at

    spec.folder.begin(spec.to_dict())
    return run_trial(spec, Control(lambda metrics: reports.append(dict(metrics)), should_stop)), reports


@pytest.mark.long
def test_a_pruned_trial_is_published_as_it_was_trained(small_trial):
    spec = small_trial("pruned", **TRAINING)
    record, reports = run(spec)
    weights = read_weights(spec.folder.weights)
    tensors = sizes.tensors(spec.point.family, spec.point.hyperparameters)
    stored = precisions.roundtrip(weights, "pruned75_float16", tensors)
    for tensor in tensors:
        if tensor.large:
            values = weights[tensor.name]
            assert np.count_nonzero(values == 0) == tensor.count * 75 // 100
            np.testing.assert_array_equal(stored[tensor.name], values.astype(np.float16).astype(np.float32))
    candidate = CandidatePool.read(spec.run.pool)[spec.name]
    assert candidate.size_bytes.keys() == {"float32", "pruned75_float16", "pruned75_int8"}
    assert "calibration" in candidate.origin  # of the matrices that are not pruned, which are int8
    assert record.gap_by_precision["pruned75_float16"] == pytest.approx(record.gap, abs=1e-3)
    # Checkpoints at 12 (before the end of pruning), 18 and 24: only ranges of the last two may be averaged.
    assert {(first, last) for first, last, _gap in record.averaging_evaluated} == {(18, 18), (24, 24), (18, 24)}
    sparsity = {report["step"]: report["sparsity"] for report in reports if report["phase"] == "training"}
    assert sparsity[3] == 0
    assert sparsity[6] == sparsity[9] == pytest.approx(0.75 * 19 / 27)
    assert sparsity[15] == 0.75

    stopped = small_trial("stopped", **TRAINING)
    with pytest.raises(TrialInterruptedError):
        run(stopped, stop_at=9)
    assert run(stopped)[0].gap_by_precision == record.gap_by_precision
    for name, values in read_weights(stopped.folder.weights).items():
        np.testing.assert_array_equal(values, weights[name], err_msg=name)
    with stopped.folder.curve.open() as file, spec.folder.curve.open() as other:
        losses = [[row["loss"] for row in csv.DictReader(rows)] for rows in (file, other)]
    assert losses[0] == losses[1]
