"""A trial that learns from a teacher: it resumes to the bit, and the teacher has a say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gapsack.models.checkpoints import read_weights
from gapsack.sweep.data.dataset import dataset_of
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.errors import DataError
from gapsack.sweep.teaching.taught_lists import lists_of
from gapsack.sweep.teaching.teacher_folder import TeacherFolder
from gapsack.sweep.trial.control import Control, TrialInterruptedError
from gapsack.sweep.trial.run import run_trial

pytestmark = pytest.mark.slow


@pytest.fixture
def teacher(small_trial, tmp_path):
    """A folder of predictions that are the labels, softened."""
    spec = small_trial("for_its_data")
    folder, sizes = TeacherFolder(tmp_path / "teacher"), []
    dataset = dataset_of(spec.grid.data.task.to_dict())
    for number, file in enumerate(spec.train_files):
        with dataset.raw([file], batch_size=64, faults=Faults(0.0)) as batches:
            (batch,) = batches
        folder.write_part(str(number), lists_of(batch.video_ids, 0.1 + 0.8 * batch.labels.astype(np.float32), 24), 1)
        sizes.append((str(number), 1))
    folder.finish("labels", 24, 24, sizes)
    return str(folder.path)


def run(spec, stop_at=None):
    steps = []

    def report(metrics):
        steps.append(metrics.get("step") or 0)

    return run_trial(spec, Control(report, lambda: stop_at is not None and max(steps, default=0) >= stop_at))


@pytest.mark.long
def test_a_student_resumes_to_the_bit(small_trial, teacher):
    taught = {"teacher": {"predictions": teacher, "weight": 0.7}}
    whole, stopped, alone = small_trial("whole", **taught), small_trial("stopped", **taught), small_trial("alone")
    run(whole)
    with pytest.raises(TrialInterruptedError):
        run(stopped, stop_at=9)
    run(stopped)
    run(alone)
    weights, other = read_weights(whole.folder.weights), read_weights(alone.folder.weights)
    for name, array in read_weights(stopped.folder.weights).items():
        np.testing.assert_array_equal(array, weights[name], err_msg=name)
    assert any(not np.array_equal(other[name], array) for name, array in weights.items())


def test_a_video_that_the_teacher_has_not_seen_fails_the_trial(small_trial, teacher):
    folder = TeacherFolder(Path(teacher).with_name("half"))
    spec = small_trial("half_taught", teacher={"predictions": str(folder.path)})
    whole = TeacherFolder(Path(teacher)).read()
    folder.write_part("0", lists_of(np.char.decode(whole.ids[:40], "utf-8"), np.ones((40, 24), np.float32), 24), 1)
    folder.finish("labels", 24, 24, [("0", 1)])
    with pytest.raises(DataError, match="expected the teacher's predictions of every training example, got none of"):
        run(spec)
