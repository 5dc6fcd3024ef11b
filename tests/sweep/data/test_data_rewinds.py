"""Faulty records anywhere: what comes out is what comes when every window is checked beforehand, and nothing else."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import Batch, evaluation_batches, raw_batches, training_batches
from gapsack.sweep.data.storage.mapping import FileMemory
from gapsack.sweep.data.stream.stream import Stream
from gapsack.sweep.data.stream.windows import Windows
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import frame_record
from gapsack.sweep.errors import DataError

FEATURES = Features("frame", classes=10, rgb=5, audio=3, max_frames=7)
SIZES = (0, 9, 1, 12, 7, 11)  # records of each file
RECORDS = sum(SIZES)
NAMES = [f"v{number:02d}" for number in range(RECORDS)]
BUFFER_BYTES = 1500  # a few records of each file


def values_of(number: int, width: int) -> np.ndarray:
    return np.full((1 + number % 9, width), number, np.uint8)


def write(directory: Path, faulty: set[int]) -> list[str]:
    """Files whose records tell their number in every byte; the faulty ones have a wrong bit or a wrong label."""
    numbers = iter(range(RECORDS))
    paths = []
    for file, size in enumerate(SIZES):
        content = b""
        for number in islice(numbers, size):
            labels = [77] if number in faulty and number % 2 else [number % 10]
            values = values_of(number, 5), values_of(number, 3)
            record = bytearray(frame_record(encode.sequence_example(NAMES[number], labels, *values)))
            if number in faulty and number % 2 == 0:
                record[-7] ^= 1
            content += record
        path = directory / f"{file}.tfrecord"
        path.write_bytes(content)
        paths.append(str(path))
    return paths


def training(files: list[str], **options: Any) -> Stream[Batch]:
    settings = {"batch_size": 4, "sample_frames": 6, "seed": 3, "buffer_bytes": BUFFER_BYTES, "faults": Faults(1.0)}
    return training_batches(files, FEATURES, **settings | options)


def take(stream: Stream[Batch], count: int) -> list[Batch]:
    with stream:
        return [next(stream) for _ in range(count)]


def evaluated(files: list[str], **options: Any) -> list[Batch]:
    settings = {"batch_size": 4, "sample_frames": 6, "faults": Faults(1.0)}
    return list(evaluation_batches(files, FEATURES, **settings | options))


def assert_right(batch: Batch) -> None:
    """Every row is a good record's: its frames and its label say whose."""
    for video_id, frames, labels in zip(batch.video_ids, batch.frames, batch.labels, strict=True):
        number = NAMES.index(video_id)
        assert (frames == number).all()
        assert np.flatnonzero(labels).tolist() == [number % 10]


def resume_of(batch: Batch) -> dict[str, Any]:
    """Without what says whether the window was checked: some of the streams here check all."""
    assert batch.resume is not None
    return {name: value for name, value in batch.resume.items() if name != "checked"}


def assert_same(left: list[Batch], right: list[Batch]) -> None:
    for a, b in zip(left, right, strict=True):
        assert a.video_ids.tolist() == b.video_ids.tolist()
        assert (a.frames == b.frames).all()
        assert (a.labels == b.labels).all()
        assert resume_of(a) == resume_of(b)


@pytest.fixture(params=["mapped", "read"], scope="module", autouse=True)
def way_of_reading(request: pytest.FixtureRequest) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "read":
            patch.setattr(FileMemory, "mapped", lambda *_: None)
        yield


def checked_beforehand(files: list[str], count: int, **options: Any) -> list[Batch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Windows, "_expects_faults", lambda *_: True)
        stream = training(files, **options)
        batches = take(stream, count)
        assert stream.rewinds == 0
        return batches


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_faults_are_left_out_and_change_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    faulty = data.draw(st.sets(st.integers(0, RECORDS - 1), max_size=RECORDS - 1))
    options = {
        "buffer_bytes": data.draw(st.sampled_from([1, 700, BUFFER_BYTES, 1 << 20])),
        "batch_size": data.draw(st.integers(1, 13)),
        "threads": data.draw(st.sampled_from([1, 2, 5])),
    }
    files = write(tmp_path_factory.mktemp("faulty"), faulty)
    good = [name for number, name in enumerate(NAMES) if number not in faulty]
    count = -(-2 * len(good) // options["batch_size"])
    batches = take(training(files, **options), count)
    assert_same(batches, checked_beforehand(files, count, **options))
    seen = [video_id for batch in batches for video_id in batch.video_ids]
    for epoch in (seen[: len(good)], seen[len(good) : 2 * len(good)]):
        assert sorted(epoch) == good
    for batch in batches:
        assert_right(batch)
    place = data.draw(st.integers(0, count - 2)) if count > 1 else None
    if place is not None:
        assert_same(take(training(files, resume=batches[place].resume, **options), 1), [batches[place + 1]])


def test_a_fault_at_any_place_of_a_window_takes_one_way_back(tmp_path: Path) -> None:
    """So the first and the last record of windows and batches, and batches of two windows, have their turn."""
    count = RECORDS // 4 + 1
    for number in range(RECORDS):
        files = write(tmp_path, {number})
        stream = training(files)
        batches = take(stream, count)
        assert stream.rewinds == 1
        assert_same(batches, checked_beforehand(files, count))
        faults = Faults(1.0)
        in_order = evaluated(files, faults=faults)
        assert [name for batch in in_order for name in batch.video_ids] == NAMES[:number] + NAMES[number + 1 :]
        assert sum(faults.counts.values()) == 1
        assert faults.summary()["good"] == RECORDS - 1


def test_a_stream_resumed_anywhere_meets_the_same_faults(tmp_path: Path) -> None:
    files = write(tmp_path, {3, 4, 11, 28, 39})
    batches = take(training(files), 20)
    for number, batch in enumerate(batches[:-2]):
        assert_same(take(training(files, resume=batch.resume), 2), batches[number + 1 : number + 3])


def test_many_faults_are_expected_after_the_first(tmp_path: Path) -> None:
    faulty = set(range(0, RECORDS, 3))
    files = write(tmp_path, faulty)
    faults = Faults(1.0)
    stream = training(files, faults=faults)
    batches = take(stream, 60)  # some nine epochs, each of several windows
    assert stream.rewinds == 1
    assert batches[-1].resume is not None
    assert batches[-1].resume["start"]["epoch"] > 5
    assert faults.share == pytest.approx(len(faulty) / RECORDS, abs=0.05)


def test_the_counts_of_an_epoch_are_exact(tmp_path: Path) -> None:
    faulty = {0, 7, 21, 38}
    files = write(tmp_path, faulty)
    batches = take(training(files, batch_size=RECORDS - len(faulty)), 2)
    for epoch, batch in enumerate(batches, 1):
        assert batch.resume is not None
        counted = batch.resume["start"]["counted"]
        assert counted["good"] == epoch * (RECORDS - len(faulty))
        assert Counter(counted["faulty"]) == {"data CRC": 2 * epoch, "label": 2 * epoch}
        found = {(Path(file).name, index) for _, file, index, _ in counted["examples"]}
        assert found == {("1.tfrecord", 0), ("1.tfrecord", 7), ("3.tfrecord", 11), ("5.tfrecord", 9)}


def test_files_without_a_good_record_are_an_error(tmp_path: Path) -> None:
    files = write(tmp_path, set(range(RECORDS)))
    with pytest.raises(DataError, match=f"one must be good, got {RECORDS} faulty"):
        take(training(files), 1)
    with pytest.raises(DataError, match=f"one must be good, got {RECORDS} faulty"):
        evaluated(files)


def test_evaluation_names_all_faults_and_keeps_the_order(tmp_path: Path) -> None:
    faulty = {1, 9, 10, 22, 23, 24, 39}
    files = write(tmp_path, faulty)
    expected = [name for number, name in enumerate(NAMES) if number not in faulty]
    for threads in (1, 4):
        faults = Faults(1.0)
        batches = evaluated(files, threads=threads, faults=faults)
        assert [len(batch.video_ids) for batch in batches] == [4] * 8 + [1]
        assert [name for batch in batches for name in batch.video_ids] == expected
        for batch in batches:
            assert_right(batch)
        assert faults.counts == {"label": 4, "data CRC": 3}
        assert faults.summary()["good"] == len(expected)
    raw = list(raw_batches(files, FEATURES, batch_size=5, faults=Faults(1.0)))
    assert [name for batch in raw for name in batch.video_ids] == expected
    for batch in raw:
        for video_id, frames, count in zip(batch.video_ids, batch.frames, batch.num_frames, strict=True):
            number = NAMES.index(video_id)
            assert count == min(1 + number % 9, 7)
            assert (frames[:count] == number).all()
            assert not frames[count:].any()


def test_going_back_leaves_no_thread_and_forgets_no_waiting(tmp_path: Path) -> None:
    before = threading.active_count()
    stream = training(write(tmp_path, {5, 33}))
    waited = []
    for _ in range(25):
        next(stream)
        waited.append(stream.wait_seconds)
    assert stream.rewinds > 0
    assert waited == sorted(waited)
    stream.close()
    stream.close()
    assert next(stream, None) is None
    assert threading.active_count() == before
