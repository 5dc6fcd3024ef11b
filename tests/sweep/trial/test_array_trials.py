"""Trials on arrays, with the trainer itself: each kind of labels, and a trial that is stopped and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from gapsack.models.checkpoints import read_weights
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import CandidatePool
from gapsack.sweep.grid.read import load_grid
from gapsack.sweep.runs.spec import SweepSpec, TrialSpec
from gapsack.sweep.trial.control import Control, TrialInterruptedError
from gapsack.sweep.trial.run import run_trial

COUNT, CLASSES = 120, 5
MODELS = """
import keras

def build(inputs, classes, hidden=8, end="sigmoid"):
    layer = keras.layers.Concatenate()([keras.layers.Flatten()(given) for given in inputs.values()])
    layer = keras.layers.Dropout(0.1)(keras.layers.Dense(hidden, activation="tanh")(layer))
    return keras.Model(inputs, keras.layers.Dense(classes, activation=end)(layer))
"""
GRID = """
name: own
data: {{format: arrays, train: [train.npz], holdout: {{share: 0.3, seed: 4}}}}
model: {{family: keras_model, options: {{builder: "models.py:build", end: {end}}}}}
search: {{grid: {{hidden: [8]}}}}
training:
  {{steps: 60, batch_size: 16, learning_rate: 0.05, checkpoint_steps: 20, log_steps: 10, precisions: [float16, int8],
   averaging: {{last: 2, max_evaluations: 3}}}}
"""


def truth_of(kind: str, x: np.ndarray) -> np.ndarray:
    """What the inputs say, bool [items, classes]."""
    scores = x @ np.random.default_rng(1).normal(size=(x.shape[1], CLASSES))
    if kind == "multi_class":
        return scores.argmax(axis=1)[:, np.newaxis] == np.arange(CLASSES)
    return scores[:, :1] > 0 if kind == "binary" else scores > 1


def write(folder: Path, kind: str) -> tuple[TrialSpec, np.ndarray]:
    """The spec of a trial, and the truth by the number of the item."""
    (folder / "models.py").write_text(MODELS)
    x = np.random.default_rng(0).normal(size=(COUNT, 6))
    truth = truth_of(kind, x)
    labels = {"multi_class": truth.argmax(axis=1), "binary": truth[:, 0]}.get(kind, truth)
    np.savez(folder / "train.npz", left=x[:, :2], right=x[:, 2:].reshape(COUNT, 2, 2), labels=labels)
    (folder / "grid.yaml").write_text(GRID.format(end="softmax" if kind == "multi_class" else "sigmoid"))
    grid = load_grid(folder / "grid.yaml")
    assert grid.data.task.labels == kind
    split = grid.data.files()
    spec = SweepSpec(str(folder / "run"), grid, split.train, split.holdout).trial({"hidden": 8})
    return spec, truth


def run(spec: TrialSpec, stop_after: int = 10**9) -> Any:
    calls = 0

    def should_stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > stop_after

    spec.folder.begin(spec.to_dict())
    return run_trial(spec, Control(lambda _metrics: None, should_stop))


@pytest.mark.parametrize("kind", ["multi_class", "multi_label", "binary"])
def test_a_trial_is_scored_as_dense_arrays_say(tmp_path: Path, kind: str) -> None:
    spec, truth = write(tmp_path, kind)
    record = run(spec)
    pool = CandidatePool.read(spec.run.pool)
    assert record.flops == pool[spec.name].metrics["flops"] == 2 * (6 * 8 + 8 * truth.shape[1])
    rows = np.array([int(name.removeprefix("train-")) for name in pool.labels.video_ids])
    assert len(rows) == record.videos == 36
    for precision in ("float32", "float16", "int8"):
        lists = pool[spec.name].predictions_at(precision)
        scores = np.zeros((len(rows), truth.shape[1]), np.float32)
        np.put_along_axis(scores, lists.top_indices.astype(np.int64), lists.top_scores, axis=1)
        assert lists.k == truth.shape[1]
        expected = gap_at_k(scores, truth[rows])
        assert record.gap_by_precision[precision] == pytest.approx(expected, abs=1e-9)
    assert record.gap > 0.8  # of labels by chance: a half and less
    assert record.faults["train"]["good"] == COUNT - 36
    assert record.data["labels"] == kind


def test_a_trial_that_was_stopped_comes_to_the_same_weights(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("undisturbed", "disturbed")]
    for folder in folders:
        folder.mkdir()
    (whole, _), (broken, _) = (write(folder, "multi_class") for folder in folders)
    run(whole)
    for calls in (7, 31):
        with pytest.raises(TrialInterruptedError):
            run(broken, stop_after=calls)
    run(broken)
    weights = [read_weights(spec.folder.weights) for spec in (whole, broken)]
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        assert_array_equal(weights[1][name], array, err_msg=name)
