"""The sample of training videos: which, in which batches, and seen as the hold-out is."""

from dataclasses import replace

import numpy as np
import pytest

from gapsack.models.tasks import View
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.videos import Videos
from gapsack.sweep.measure.sample import TrainingSample

VIDEOS = Videos(Features("frame", 24, rgb=16, audio=8, max_frames=8))


@pytest.fixture
def sample(small_files):
    return TrainingSample(small_files["train"], VIDEOS, videos=60, view=View(4), seed=0)


def whole(sample, batch_size):
    """Ids, frames and labels of all batches."""
    batches = [(batch.video_ids, batch.inputs["frames"], batch.labels) for batch in sample.batches(batch_size)]
    return [np.concatenate(column) for column in zip(*batches, strict=True)]


@pytest.mark.parametrize("batch_size", [1, 7, 60, 500])
def test_the_batch_size_changes_nothing_but_the_batches(sample, batch_size):
    batches = list(sample.batches(batch_size))
    assert {len(batch.video_ids) for batch in batches[:-1]} <= {batch_size}
    for got, expected in zip(whole(sample, batch_size), whole(sample, 11), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert len(got) == 60


def test_the_seed_draws_the_files(sample, small_files):
    firsts = {whole(replace(sample, seed=seed), 10)[0][0] for seed in range(8)}
    assert firsts == {"train0-0", "train1-0"}


def test_more_videos_than_there_are_means_all_of_them(sample):
    ids = whole(replace(sample, videos=1000), 16)[0]
    assert len(set(ids.tolist())) == len(ids) == 87


def test_it_is_measured_on_its_own_labels(sample):
    class Knowing:
        """Gives the first videos' own labels the highest scores."""

        def __init__(self, truth):
            self.truth, self.row = truth, 0

        def predict_top(self, inputs, k):
            videos = len(inputs["num_frames"])
            scores = self.truth[self.row : self.row + videos].astype(np.float32)
            self.row += videos
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            return order.astype(np.int32), np.take_along_axis(scores, order, axis=1)

    truth = whole(sample, 60)[2]
    measured = sample.measure(Knowing(truth), 16)
    assert measured.labels.video_count == 60
    assert measured.gap == pytest.approx(1.0)
