"""The hold-out measured in batches, against all of it at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gapsack.models.errors import TrainingError
from gapsack.models.tasks import View
from gapsack.selection.gap import gap_at_k
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import evaluation_batches
from gapsack.sweep.data.videos import Videos
from gapsack.sweep.errors import DataError
from gapsack.sweep.measure.holdout import HoldoutSet

FEATURES = Features("frame", 24, rgb=16, audio=8, max_frames=8)


class FrameMean:
    """Predicts from mean frames by a fixed matrix."""

    matrix = np.random.default_rng(5).normal(size=(24, 24))

    def scores(self, frames):
        return (1 / (1 + np.exp(-(frames.mean(axis=1) / 128 - 0.5) @ self.matrix))).astype(np.float32)

    def predict_top(self, inputs, k):
        scores = self.scores(inputs["frames"])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return order.astype(np.int32), np.take_along_axis(scores, order, axis=1)


def holdout(files, batch_size=16, max_bad_share=0.0):
    return HoldoutSet(files, Videos(FEATURES), batch_size=batch_size, view=View(4), max_bad_share=max_bad_share)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 1000])
def test_lists_and_gap_are_those_of_all_videos_at_once(small_files, batch_size):
    files = small_files["holdout"]
    with evaluation_batches(files, FEATURES, batch_size=1000, sample_frames=4, faults=Faults(0)) as batches:
        (whole,) = batches
    scores = FrameMean().scores(whole.frames)
    measured = holdout(files, batch_size).measure(FrameMean())
    np.testing.assert_array_equal(measured.labels.video_ids, whole.video_ids)
    np.testing.assert_array_equal(measured.predictions.video_ids, whole.video_ids)
    assert measured.gap == pytest.approx(gap_at_k(scores, whole.labels), abs=1e-12)
    assert measured.faults["good"] == 65


def test_more_classes_than_there_are_means_all_of_them(small_files):
    measured = holdout(small_files["holdout"]).measure(FrameMean(), 500)
    assert measured.predictions.k == 24


def test_a_stop_between_batches_leaves_at_once(small_files):
    batches = []

    def tick():
        batches.append(1)
        if len(batches) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(holdout(small_files["holdout"]), tick=tick).measure(FrameMean())
    assert len(batches) == 2


def test_scores_that_are_not_finite_are_refused(small_files):
    class Broken(FrameMean):
        def scores(self, frames):
            return np.full((len(frames), 24), np.nan, np.float32)

    with pytest.raises(TrainingError, match="finite scores"):
        holdout(small_files["holdout"]).measure(Broken())


def test_a_damaged_hold_out_is_refused_beyond_the_share(small_files, tmp_path):
    whole = small_files["holdout"][0]
    damaged = tmp_path / "damaged.tfrecord"
    content = bytearray(Path(whole).read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(DataError, match="faulty"):
        holdout([str(damaged)]).measure(FrameMean())
    measured = holdout([str(damaged)], max_bad_share=0.1).measure(FrameMean())
    assert sum(measured.faults["faulty"].values()) == 1
    assert measured.labels.video_count == 44
