from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection.errors import DataError
from sweep.data import storage
from sweep.data.framing import OVERHEAD_BYTES, Position, Stretch, frame_record, read_stretch


def read_all(file: Path | str, stretch_bytes: int = 1 << 20) -> list[Stretch]:
    stretches, position = [], Position()
    while position is not None:
        stretches.append(read_stretch(str(file), position, stretch_bytes))
        position = stretches[-1].after
    return stretches


def payloads(stretches: list[Stretch]) -> list[tuple[int, bytes]]:
    return [
        (index, stretch.data[start:stop].tobytes())
        for stretch in stretches
        for index, start, stop in zip(stretch.record_indices, stretch.starts, stretch.stops, strict=True)
    ]


def kinds(stretches: list[Stretch]) -> list[tuple[str, int]]:
    return [(fault.kind, fault.record_index) for stretch in stretches for fault in stretch.faults]


@given(records=st.lists(st.binary(max_size=40), max_size=12), stretch_bytes=st.integers(1, 200))
def test_stretches_of_any_size_hold_all_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], stretch_bytes: int
) -> None:
    file = tmp_path_factory.mktemp("framing") / "a.tfrecord"
    file.write_bytes(b"".join(map(frame_record, records)))
    stretches = read_all(file, stretch_bytes)
    assert payloads(stretches) == list(enumerate(records))
    assert kinds(stretches) == []
    longest = max((len(record) + OVERHEAD_BYTES for record in records), default=0)
    assert all(len(stretch.data) <= max(stretch_bytes, longest) for stretch in stretches)


def test_tensorflow_reads_and_writes_the_same_bytes(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    records = [b"", b"a", bytes(range(256)) * 50]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in records:
            writer.write(record)
    (tmp_path / "ours").write_bytes(b"".join(map(frame_record, records)))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


RECORDS = [bytes([65 + i]) * 10 * (i + 1) for i in range(4)]
BYTES = b"".join(map(frame_record, RECORDS))


def starts_at(index: int) -> int:
    return sum(len(record) + OVERHEAD_BYTES for record in RECORDS[:index])


@pytest.mark.parametrize("stretch_bytes", [1, 50, 1 << 20])
@given(cut=st.integers(1, len(BYTES) - 1))
def test_a_cut_file_keeps_what_comes_before(
    tmp_path_factory: pytest.TempPathFactory, stretch_bytes: int, cut: int
) -> None:
    file = tmp_path_factory.mktemp("framing") / "a.tfrecord"
    file.write_bytes(BYTES[:cut])
    stretches = read_all(file, stretch_bytes)
    whole = next(i for i in range(4) if starts_at(i + 1) > cut)
    assert payloads(stretches) == list(enumerate(RECORDS[:whole]))
    assert kinds(stretches) == ([] if cut == starts_at(whole) else [("truncated", whole)])


@pytest.mark.parametrize("stretch_bytes", [1, 50, 1 << 20])
@given(place=st.integers(0, len(BYTES) - 1), mask=st.integers(1, 255))
def test_any_damaged_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, stretch_bytes: int, place: int, mask: int
) -> None:
    file = tmp_path_factory.mktemp("framing") / "a.tfrecord"
    damaged = bytearray(BYTES)
    damaged[place] ^= mask
    file.write_bytes(damaged)
    stretches = read_all(file, stretch_bytes)
    hit = next(i for i in range(4) if starts_at(i + 1) > place)
    in_header = place - starts_at(hit) < 12
    good = [pair for pair in enumerate(RECORDS) if (pair[0] < hit if in_header else pair[0] != hit)]
    assert payloads(stretches) == good
    assert kinds(stretches) == [("length CRC" if in_header else "data CRC", hit)]


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be readable, got FileNotFoundError .*none\.tfrecord"):
        read_all(tmp_path / "none.tfrecord")


def test_a_file_that_shrinks_while_it_is_read_is_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tfrecord"
    file.write_bytes(BYTES[:-5])
    monkeypatch.setattr(storage, "size_bytes", lambda _: len(BYTES))
    assert kinds(read_all(file)) == [("truncated", 3)]


def test_remote_files_read_the_same() -> None:
    tf = pytest.importorskip("tensorflow")
    with tf.io.gfile.GFile("ram://framing.tfrecord", "wb") as file:
        file.write(BYTES)
    assert payloads(read_all("ram://framing.tfrecord", 60)) == list(enumerate(RECORDS))
    with pytest.raises(DataError, match="ram://none"):
        read_all("ram://none")
