"""The pipelines that the reader is measured against read the same videos."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks import reader_pipelines as pipelines
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import raw_batches
from gapsack.sweep.data.synth.write import write_synth

pytest.importorskip("tensorflow")


def written(directory: Path, features: Features) -> list[str]:
    paths = write_synth(
        directory,
        level=features.level,
        train_files=2,
        validate_files=0,
        videos_per_file=4,
        classes=features.classes,
        min_frames=3,
        max_frames=6,
        seed=0,
    )
    return [str(path) for path in paths]


@pytest.mark.parametrize("level", ["frame", "video"])
def test_every_pipeline_reads_the_same_videos(tmp_path: Path, level: str) -> None:
    features = Features(level, classes=9)
    files = written(tmp_path, features)
    [raw] = raw_batches(files, features, batch_size=8, faults=Faults(0.0))
    values, labels = next(iter(pipelines.starter_code(files, features, batch_size=8)))
    at_once, _ = next(iter(pipelines.starter_code(files, features, batch_size=8, parallel=True)))
    np.testing.assert_array_equal(values, at_once)
    np.testing.assert_array_equal(labels, raw.labels)
    if level == "frame":
        real = np.arange(raw.frames.shape[1]) < raw.num_frames[:, None]
        expected = np.where(real[..., None], raw.frames * np.float32(4 / 255) + np.float32(4 / 512 - 2), 0)
        assert values.shape == (8, 300, 1152)
        np.testing.assert_allclose(values[:, : expected.shape[1]], expected, atol=1e-6)
        assert not np.any(values[:, expected.shape[1] :])
    else:
        np.testing.assert_array_equal(values, raw.frames[:, 0])

    def pairs(frames: np.ndarray, marked: np.ndarray) -> set[tuple[float, bytes]]:
        sums = np.sum(frames, axis=tuple(range(1, np.ndim(frames))), dtype=np.float64).round(3)
        return set(zip(sums.tolist(), map(bytes, np.asarray(marked, bool)), strict=True))

    good, good_labels = next(iter(pipelines.good_tf_data(files, features, batch_size=8, buffer_records=8)))
    # It shuffles over the end of an epoch, so that a video may come twice before another comes once.
    assert pairs(good, good_labels) <= pairs(raw.frames, raw.labels)


def test_doing_nothing_reads_every_byte(tmp_path: Path) -> None:
    features = Features("frame", classes=9)
    files = written(tmp_path, features)
    assert pipelines.read_only(files, threads=2) == pipelines.total_bytes(files)


def test_ours_goes_on_for_ever(tmp_path: Path) -> None:
    features = Features("frame", classes=9)
    files = written(tmp_path, features)
    for pipeline in (pipelines.ours_in_training, pipelines.ours_in_evaluation):
        batches = list(islice(pipeline(files, features, 5, 7), 7))
        assert len(batches) == 7
        assert batches[0][0].shape == (5, 7, 1152)
