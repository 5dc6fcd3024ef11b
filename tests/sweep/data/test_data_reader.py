"""Batches for training and evaluation, against a plain reading of the same small files."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import Batch, evaluation_batches, evaluation_frames, raw_batches, training_batches
from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.data.storage.mapping import FileMemory
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.errors import ConfigError, DataError

FEATURES = Features("frame", classes=10, rgb=5, audio=3, max_frames=7)
SIZES = {"batch_size": 4, "sample_frames": 6}


class Video:
    """One made-up video; its frames tell its number and theirs."""

    def __init__(self, number: int, rng: np.random.Generator) -> None:
        self.id = f"v{number:03d}"
        self.labels = sorted(rng.choice(10, size=rng.integers(0, 4), replace=False).tolist())
        self.frames = rng.integers(0, 256, size=(rng.integers(1, 10), 8), dtype=np.uint8)

    @property
    def used_frames(self) -> NDArray[np.uint8]:
        return self.frames[:7]

    def encode(self, labels: list[int] | None = None) -> bytes:
        labels = self.labels if labels is None else labels
        return frame_record(encode.sequence_example(self.id, labels, self.frames[:, :5], self.frames[:, 5:]))


@pytest.fixture
def videos() -> dict[str, Video]:
    rng = np.random.default_rng(7)
    made = [Video(number, rng) for number in range(61)]
    return {video.id: video for video in made}


@pytest.fixture
def files(tmp_path: Path, videos: dict[str, Video]) -> list[str]:
    """Files of 0, 1, 2, … 10 and 6 videos."""
    rest = iter(videos.values())
    names = []
    for number, size in enumerate([*range(11), 6]):
        path = tmp_path / f"train{number:02d}.tfrecord"
        path.write_bytes(b"".join(next(rest).encode() for _ in range(size)))
        names.append(str(path))
    assert next(rest, None) is None
    return names


def take(files: list[str], count: int, **options: Any) -> list[Batch]:
    settings = {"seed": 3, "faults": Faults(0.001), "buffer_bytes": 3000} | SIZES | options
    with training_batches(files, FEATURES, **settings) as batches:
        return [next(batches) for _ in range(count)]


def assert_same(left: Batch, right: Batch) -> None:
    for name, a, b in zip(Batch._fields[:3], left, right, strict=False):
        np.testing.assert_array_equal(a, b, err_msg=name)
    assert left.resume == right.resume


def dense(labels: list[int]) -> list[bool]:
    return [label in labels for label in range(10)]


def test_training_draws_the_real_frames_and_labels_of_each_video(files: list[str], videos: dict[str, Video]) -> None:
    for batch in take(files, 20):
        assert batch.frames.dtype == np.uint8
        assert batch.frames.shape == (4, 6, 8)
        assert batch.labels.dtype == np.bool_
        for video_id, frames, labels in zip(batch.video_ids, batch.frames, batch.labels, strict=True):
            real = {frame.tobytes() for frame in videos[video_id].used_frames}
            assert {frame.tobytes() for frame in frames} <= real
            assert labels.tolist() == dense(videos[video_id].labels)


@pytest.mark.parametrize("buffer_bytes", [1, 500, 3000, 1 << 20])
def test_every_video_comes_once_an_epoch(files: list[str], videos: dict[str, Video], buffer_bytes: int) -> None:
    stream = [video_id for batch in take(files, 61, buffer_bytes=buffer_bytes) for video_id in batch.video_ids]
    epochs = [stream[start : start + 61] for start in range(0, 244, 61)]
    assert all(sorted(epoch) == sorted(videos) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_seed_decides_everything_and_the_threads_nothing(files: list[str]) -> None:
    once = take(files, 40, threads=1)
    for left, right in zip(once, take(files, 40, threads=4), strict=True):
        assert_same(left, right)
    other = take(files, 40, seed=4)
    assert any((left.video_ids != right.video_ids).any() for left, right in zip(once, other, strict=True))


def test_a_video_shows_other_frames_in_each_epoch(files: list[str]) -> None:
    seen: dict[str, set[bytes]] = {}
    for batch in take(files, 61):
        for video_id, frames in zip(batch.video_ids, batch.frames, strict=True):
            seen.setdefault(video_id, set()).add(frames.tobytes())
    assert sum(map(len, seen.values())) > 2 * len(seen)


@pytest.mark.parametrize("buffer_bytes", [1, 3000, 1 << 20])
def test_every_batch_can_be_resumed_after(files: list[str], buffer_bytes: int) -> None:
    whole = take(files, 36, buffer_bytes=buffer_bytes)
    for number in range(0, 34, 3):
        resume = json.loads(json.dumps(whole[number].resume))
        again = take(files, 2, buffer_bytes=buffer_bytes, resume=resume)
        assert_same(again[0], whole[number + 1])
        assert_same(again[1], whole[number + 2])


def test_resuming_reads_nothing_before_its_window(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    resume = take(files, 12)[-1].resume
    assert resume is not None
    windows_before = resume["start"]["window"]
    assert windows_before > 0
    places = {(files[file], offset) for file, offset, _ in resume["start"]["lanes"]}
    began: list[tuple[str, int]] = []
    read_into = storage._Local.read_into

    def logged(self: storage._Local, target: NDArray[np.uint8], offset: int) -> int:
        began.append((self.path, offset))
        return read_into(self, target, offset)

    monkeypatch.setattr(FileMemory, "mapped", lambda *_: None)  # so that files are read
    monkeypatch.setattr(storage._Local, "read_into", logged)
    take(files, 1, resume=resume)
    first_of = dict(reversed(began))
    assert places <= set(began)
    assert all(first_of[path] == offset for path, offset in places)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 9}, "seed"), ({"batch_size": 5}, "batch_size"), ({"sample_frames": 2}, "sample_frames")],
)
def test_resuming_something_else_is_refused(files: list[str], change: dict[str, int], named: str) -> None:
    resume = take(files, 1)[0].resume
    with pytest.raises(DataError, match=f"got other {named}"):
        take(files, 1, resume=resume, **change)
    with pytest.raises(DataError, match="got other files"):
        take(files[1:], 1, resume=resume)


def damage(files: list[str]) -> dict[str, int]:
    """A cut file, a flipped byte and a label that does not exist; returns the faults to be found."""
    cut, flipped, stranger = (Path(files[index]) for index in (7, 8, 9))
    cut.write_bytes(cut.read_bytes()[:-30])
    data = bytearray(flipped.read_bytes())
    data[40] ^= 1
    flipped.write_bytes(data)
    stranger.write_bytes(stranger.read_bytes() + Video(99, np.random.default_rng(1)).encode(labels=[77]))
    return {"truncated": 1, "data CRC": 1, "label": 1}


def test_faulty_records_break_neither_order_nor_resume(files: list[str]) -> None:
    expected = damage(files)
    faults = Faults(0.1)
    whole = take(files, 50, faults=faults)
    epoch = [video_id for batch in whole for video_id in batch.video_ids][:59]
    assert len(set(epoch)) == 59
    assert {kind: count > 0 for kind, count in faults.counts.items()} == dict.fromkeys(expected, True)
    assert {(Path(fault.file).name, fault.record_index) for fault in faults.examples} == {
        ("train07.tfrecord", 6),
        ("train08.tfrecord", 0),
        ("train09.tfrecord", 9),
    }
    for number in (0, 9, 14, 15, 30, 47):
        [again] = take(files, 1, faults=Faults(0.1), resume=whole[number].resume)
        assert_same(again, whole[number + 1])


def test_too_many_faults_end_training_at_the_same_batch_resumed_or_not(files: list[str]) -> None:
    damage(files)

    resumes: list[dict[str, Any] | None] = []

    def run(resume: dict[str, Any] | None) -> int:
        options = {"seed": 3, "faults": Faults(0.01), "buffer_bytes": 3000, "resume": resume} | SIZES
        batches = training_batches(files, FEATURES, **options)
        seen = len(resumes)
        with pytest.raises(DataError, match=r"At most 1\.0000% .* got [23] faulty .* of \d+; the first is"):
            resumes.extend(batch.resume for batch in batches)
        return len(resumes) - seen

    count = run(None)
    assert count > 5
    assert run(resumes[4]) == count - 5


def test_no_good_record_at_all_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.tfrecord"
    empty.touch()
    with pytest.raises(DataError, match="at least one record, got empty files"):
        take([str(empty)], 1)
    with pytest.raises(DataError, match="at least one record, got empty files"):
        next(evaluation_batches([str(empty)], FEATURES, faults=Faults(1.0), **SIZES))


def test_a_file_that_vanishes_ends_training_with_its_name(files: list[str]) -> None:
    with pytest.raises(DataError, match=r"must be readable.*gone\.tfrecord"):
        take([*files, "gone.tfrecord"], 1)


def test_evaluation_is_one_pass_in_order_with_evenly_spaced_frames(files: list[str], videos: dict[str, Video]) -> None:
    faults = Faults(0.0)
    batches = list(evaluation_batches(files, FEATURES, faults=faults, **SIZES))
    assert [len(batch.video_ids) for batch in batches] == [4] * 15 + [1]
    assert [video_id for batch in batches for video_id in batch.video_ids] == list(videos)
    assert all(batch.resume is None for batch in batches)
    for batch in batches:
        for video_id, frames, labels in zip(batch.video_ids, batch.frames, batch.labels, strict=True):
            used = videos[video_id].used_frames
            np.testing.assert_array_equal(frames, used[evaluation_frames(len(used), 6)])
            assert labels.tolist() == dense(videos[video_id].labels)
    assert faults.summary()["good"] == 61


def test_raw_batches_have_all_frames_and_zeros_beyond(files: list[str], videos: dict[str, Video]) -> None:
    seen = []
    for batch in raw_batches(files, FEATURES, batch_size=9, faults=Faults(0.0)):
        assert batch.num_frames.dtype == np.int32
        assert batch.frames.shape == (len(batch.video_ids), batch.num_frames.max(), 8)
        for video_id, frames, count in zip(batch.video_ids, batch.frames, batch.num_frames, strict=True):
            np.testing.assert_array_equal(frames[:count], videos[video_id].used_frames)
            assert not frames[count:].any()
            seen.append(video_id)
    assert seen == list(videos)


def test_evaluation_names_faults_and_fails_beyond_the_share(files: list[str]) -> None:
    expected = damage(files)
    faults = Faults(0.1)
    kept = [video_id for batch in evaluation_batches(files, FEATURES, faults=faults, **SIZES) for video_id in batch[0]]
    assert len(kept) == 59
    assert faults.counts == expected
    with pytest.raises(DataError, match="got 3 faulty"):
        list(raw_batches(files, FEATURES, batch_size=5, faults=Faults(0.01)))


def test_video_level_records_are_videos_of_one_frame(yt8m_video: Path) -> None:
    features = Features("video", classes=3862)
    shards = sorted(map(str, yt8m_video.glob("*.tfrecord")))[:2]
    in_order = list(evaluation_batches(shards, features, faults=Faults(0.0), **SIZES))
    by_id = {
        video_id: (frames, labels) for batch in in_order for video_id, frames, labels in zip(*batch[:3], strict=True)
    }
    settings = {"seed": 0, "faults": Faults(0.0)} | SIZES
    with training_batches(shards, features, **settings) as batches:
        for _ in range(20):
            batch = next(batches)
            assert (batch.frames.dtype, batch.frames.shape) == (np.float32, (4, 1, 1152))
            for video_id, frames, labels in zip(*batch[:3], strict=True):
                np.testing.assert_array_equal(frames, by_id[video_id][0])
                np.testing.assert_array_equal(labels, by_id[video_id][1])
    [raw, *_] = list(raw_batches(shards, features, batch_size=7, faults=Faults(0.0)))
    assert raw.frames.shape == (7, 1, 1152)
    assert raw.num_frames.tolist() == [1] * 7


def test_remote_files_give_the_same_stream(files: list[str]) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    remote = [f"memory://reader/{Path(file).name}" for file in files]
    for source, target in zip(files, remote, strict=True):
        memory.pipe_file(target, Path(source).read_bytes())
    for left, right in zip(take(files, 20), take(remote, 20), strict=True):
        assert_same(left, right)


def test_closing_leaves_no_thread(files: list[str]) -> None:
    before = threading.active_count()
    take(files, 3)
    for stream in (
        evaluation_batches(files, FEATURES, faults=Faults(0.0), **SIZES),
        raw_batches(files, FEATURES, batch_size=2, faults=Faults(0.0)),
    ):
        next(stream)
        stream.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 0}, ConfigError, "batch_size is at least 1, got 0"),
        ({"sample_frames": 0}, ConfigError, "sample_frames is at least 1, got 0"),
        ({"seed": -1}, ConfigError, "at least 0, got -1"),
    ],
)
def test_sizes_are_checked_before_anything_starts(
    files: list[str], change: dict[str, int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        take(files, 1, **change)
    with pytest.raises(DataError, match="at least one data file"):
        take([], 1)
