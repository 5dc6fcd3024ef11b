from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import raw_batches
from gapsack.sweep.data.synth import world
from gapsack.sweep.data.synth.world import World
from gapsack.sweep.data.synth.write import write_synth
from gapsack.sweep.errors import ConfigError

SIZES = {
    "train_files": 3,
    "validate_files": 2,
    "videos_per_file": 30,
    "classes": 12,
    "min_frames": 5,
    "max_frames": 9,
    "seed": 4,
}


def write(directory: Path, **changes: Any) -> list[Path]:
    return write_synth(directory, **(SIZES | changes))


def test_the_reader_takes_every_record(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    paths = write(tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 5) for done in range(1, 6)]
    names = ["train0000", "train0001", "train0002", "validate0000", "validate0001"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.tfrecord" for name in names]
    faults = Faults(0.0)
    batches = list(raw_batches(list(map(str, paths)), Features("frame", 12), batch_size=150, faults=faults))
    [batch] = batches
    assert len(set(batch.video_ids)) == 150
    assert {len(video_id) for video_id in batch.video_ids} == {4}
    assert (batch.num_frames.min(), batch.num_frames.max()) == (5, 9)
    assert batch.labels.any(axis=1).all()
    assert batch.labels.any(axis=0).all()
    values = np.concatenate([frames[:count] for frames, count in zip(batch.frames, batch.num_frames, strict=True)])
    dequantized = values * (4 / 255) + 4 / 512 - 2
    assert dequantized.mean() == pytest.approx(0, abs=0.02)
    assert dequantized.std() == pytest.approx(world.SPREAD, rel=0.05)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    once, again, other = (write(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    assert all(left.read_bytes() != right.read_bytes() for left, right in zip(once, other, strict=True))


def test_video_level_is_the_mean_of_the_same_videos(tmp_path: Path) -> None:
    frame = write(tmp_path / "frame")
    video = write(tmp_path / "video", level="video")
    [frames] = raw_batches(list(map(str, frame)), Features("frame", 12), batch_size=150, faults=Faults(0.0))
    [means] = raw_batches(list(map(str, video)), Features("video", 12), batch_size=150, faults=Faults(0.0))
    assert frames.video_ids.tolist() == means.video_ids.tolist()
    np.testing.assert_array_equal(frames.labels, means.labels)
    quantized = frames.frames.sum(axis=1, dtype=np.float64) / frames.num_frames[:, None]
    np.testing.assert_allclose(means.frames[:, 0], quantized * 4 / 255 + 4 / 512 - 2, atol=1e-6)


def test_labels_follow_a_zipf_prior_about_three_a_video() -> None:
    made = World(40, 16, seed=0)
    rng = np.random.default_rng(1)
    labels = [made.video(8, rng).labels for _ in range(3000)]
    assert np.mean([len(found) for found in labels]) == pytest.approx(3, abs=0.1)
    counts = np.bincount(np.concatenate(labels), minlength=40)
    assert counts[:5].sum() > 3 * counts[-5:].sum()
    assert counts.min() > 0


def test_the_mean_frame_does_not_tell_which_object_was_in_which_scene() -> None:
    """Two pairs and the same two with their objects swapped: different classes, the same mean."""
    made = World(12, 4096, seed=0)
    objects = len(made._objects)
    pairs, swapped = np.array([0, objects + 1]), np.array([1, objects])
    rng = np.random.default_rng(2)
    left, right = (made._frames(np.tile(shown, 400), rng).mean(axis=0) for shown in (pairs, swapped))
    one = made._frames(np.repeat(pairs[:1], 800), rng).mean(axis=0)
    assert np.abs(left - right).mean() < 0.1 * np.abs(left - one).mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"videos_per_file": 0}, "between 1 and"),
        ({"train_files": 62**4}, "between 1 and"),
        ({"train_files": -1}, "got -1 train"),
        ({"min_frames": 0}, "got 0 to 9"),
        ({"min_frames": 10}, "got 10 to 9"),
        ({"classes": 0}, "classes is at least 1"),
    ],
)
def test_impossible_sizes_are_refused(tmp_path: Path, change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write(tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_a_failed_file_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(World, "video", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []
