from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.data.storage.mapping import FileMemory
from gapsack.sweep.data.tfrecord import framing
from gapsack.sweep.data.tfrecord.framing import OVERHEAD_BYTES, Position, Stretch, frame_record
from gapsack.sweep.errors import DataError

Payloads = list[tuple[int, bytes]]
Kinds = list[tuple[str, int]]


def read_all(file: Path | str, stretch_bytes: int = 1 << 20) -> tuple[Payloads, Kinds, int]:
    """Every right record with its index, every fault with its record's index, and the bytes of the largest stretch."""
    memory = FileMemory()
    payloads: Payloads = []
    kinds: Kinds = []
    largest = 0
    position: Position | None = Position()
    while position is not None:
        stretch = Stretch(str(file), position, stretch_bytes, memory)
        for run in stretch.runs():
            for index, (start, stop, crc) in enumerate(zip(*run[:3], strict=True), run.first_index):
                payload = stretch.data[start:stop].tobytes()
                if google_crc32c.value(payload) == crc:
                    payloads.append((index, payload))
                else:
                    kinds.append(("data CRC", index))
        kinds += [(fault.kind, fault.record_index) for fault in stretch.faults]
        largest = max(largest, stretch.data.size)
        position = stretch.after
    return payloads, kinds, largest


@pytest.fixture(autouse=True, params=["mapped", "small pieces", "large pieces"], scope="module")
def way_of_reading(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "mapped":
            patch.setattr(FileMemory, "mapped", lambda *_: None)
        if request.param == "small pieces":
            patch.setattr(framing, "PIECE_BYTES", 7)
        yield


@settings(deadline=None)
@given(records=st.lists(st.binary(max_size=40), max_size=12), stretch_bytes=st.integers(1, 200))
def test_stretches_of_any_size_hold_all_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], stretch_bytes: int
) -> None:
    file = tmp_path_factory.mktemp("framing") / "a.tfrecord"
    file.write_bytes(b"".join(map(frame_record, records)))
    payloads, kinds, largest = read_all(file, stretch_bytes)
    assert payloads == list(enumerate(records))
    assert kinds == []
    longest = max((len(record) + OVERHEAD_BYTES for record in records), default=0)
    assert largest <= max(stretch_bytes, longest)


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
@settings(deadline=None)
@given(cut=st.integers(1, len(BYTES) - 1))
def test_a_cut_file_keeps_what_comes_before(
    tmp_path_factory: pytest.TempPathFactory, stretch_bytes: int, cut: int
) -> None:
    file = tmp_path_factory.mktemp("framing") / "a.tfrecord"
    file.write_bytes(BYTES[:cut])
    payloads, kinds, _ = read_all(file, stretch_bytes)
    whole = next(i for i in range(4) if starts_at(i + 1) > cut)
    assert payloads == list(enumerate(RECORDS[:whole]))
    assert kinds == ([] if cut == starts_at(whole) else [("truncated", whole)])


@pytest.mark.parametrize("stretch_bytes", [1, 50, 1 << 20])
@settings(deadline=None)
@given(place=st.integers(0, len(BYTES) - 1), mask=st.integers(1, 255))
def test_any_damaged_byte_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, stretch_bytes: int, place: int, mask: int
) -> None:
    file = tmp_path_factory.mktemp("framing") / "a.tfrecord"
    damaged = bytearray(BYTES)
    damaged[place] ^= mask
    file.write_bytes(damaged)
    payloads, kinds, _ = read_all(file, stretch_bytes)
    hit = next(i for i in range(4) if starts_at(i + 1) > place)
    in_header = place - starts_at(hit) < 12
    good = [pair for pair in enumerate(RECORDS) if (pair[0] < hit if in_header else pair[0] != hit)]
    assert payloads == good
    assert kinds == [("length CRC" if in_header else "data CRC", hit)]


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must be readable, got FileNotFoundError .*none\.tfrecord"):
        read_all(tmp_path / "none.tfrecord")


def test_a_file_that_shrinks_while_it_is_read_is_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tfrecord"
    file.write_bytes(BYTES[:-5])
    opened = storage._Local.__init__

    def grown(self: storage._Local, path: str) -> None:
        opened(self, path)
        self.size_bytes = len(BYTES)

    monkeypatch.setattr(storage._Local, "__init__", grown)
    payloads, kinds, _ = read_all(file)
    assert payloads == list(enumerate(RECORDS[:3]))
    assert kinds == [("truncated", 3)]


def test_remote_files_read_the_same(tmp_path: Path) -> None:
    path = f"memory://{tmp_path.name}.tfrecord"
    pytest.importorskip("fsspec").filesystem("memory").pipe_file(path, BYTES)
    assert read_all(path, 60)[0] == list(enumerate(RECORDS))
    with pytest.raises(DataError, match=r"must be readable, got FileNotFoundError .*memory://none"):
        read_all("memory://none")
