"""The compiled parser against TensorFlow's own protobuf parser, on good, odd and damaged records."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gapsack.sweep.data import sampling
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.storage.buffers import Buffers
from gapsack.sweep.data.storage.mapping import FileMemory
from gapsack.sweep.data.stream.blocks import Cut, RewindError, Span, Window
from gapsack.sweep.data.stream.gather import count_frames, gather
from gapsack.sweep.data.stream.places import WindowStart
from gapsack.sweep.data.tfrecord import encode
from gapsack.sweep.data.tfrecord.framing import Position, frame_record
from gapsack.sweep.data.tfrecord.records import Loaded, load
from gapsack.sweep.errors import DataError

FRAME = Features("frame", classes=10, rgb=3, audio=2)
VIDEO = Features("video", classes=10, rgb=3, audio=2)


def parse(records: list[bytes], features: Features) -> Loaded:
    return parse_bytes(b"".join(map(frame_record, records)), features)


def parse_bytes(data: bytes, features: Features) -> Loaded:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return load(file.name, Position(), 1 << 20, FileMemory(), features)


def cut_of(loaded: Loaded) -> Cut:
    """All good records as one batch."""
    start = WindowStart(0, 0, 0, (), {})
    rows = np.flatnonzero(loaded.good)
    window = Window(loaded.records, rows, rows, checked=True, start=start, after=start, files=())
    return Cut(0, [Span(window, 0, len(rows))])


def videos(loaded: Loaded, features: Features) -> list[tuple[str, list[int], NDArray[Any]]]:
    """Every good record as (id, labels in ascending order, frames)."""
    batch = cut_of(loaded)
    counts = count_frames(batch, features)
    choice = sampling.all_frames(len(batch), int(counts.max()))
    video_ids, frames, _, labels = gather(batch, features, Buffers(), choice)
    assert not any(values[count:].any() for values, count in zip(frames, counts, strict=True))
    return [
        (video_id, np.flatnonzero(marked).tolist(), values[:count])
        for video_id, marked, values, count in zip(video_ids, labels, frames, counts, strict=True)
    ]


def frame_values(count: int, width: int) -> NDArray[np.uint8]:
    return np.arange(count * width, dtype=np.uint8).reshape(count, width)


def record(**changes: Any) -> bytes:
    parts = {"video_id": "abcd", "labels": [1, 4], "rgb": frame_values(2, 3), "audio": frame_values(2, 2)}
    return encode.sequence_example(**(parts | changes))


def video_record(**changes: Any) -> bytes:
    parts = {"video_id": "abcd", "labels": [1], "mean_rgb": np.zeros(3, "f4"), "mean_audio": np.zeros(2, "f4")}
    return encode.example(**(parts | changes))


def without(name: bytes, source: bytes) -> bytes:
    """The record with a feature's name changed to another of the same length."""
    assert name in source
    return source.replace(name, bytes(len(name)))


FAULTY = [
    (FRAME, without(b"id", record()), "missing id", "expected a bytes feature id"),
    (FRAME, record(video_id=""), "missing id", "expected a bytes feature id"),
    (FRAME, without(b"rgb", record()), "missing features", "expected rgb, got none"),
    (FRAME, without(b"audio", record()), "missing features", "expected audio, got none"),
    (FRAME, record(rgb=frame_values(0, 3), audio=frame_values(0, 2)), "no frames", "at least one frame"),
    (FRAME, record(rgb=frame_values(2, 4)), "feature length", "expected 3 bytes of rgb in frame 0, got 4"),
    (FRAME, record(audio=frame_values(2, 1)), "feature length", "expected 2 bytes of audio in frame 0, got 1"),
    (FRAME, record(rgb=frame_values(3, 3)), "unequal lengths", "as many audio as rgb frames (3), got 2"),
    (FRAME, record(labels=[3, 10]), "label", "expected labels from 0 to 9, got 10"),
    (FRAME, record(labels=[*range(10)] * 9 + [2**63 - 1]), "label", f"got {2**63 - 1}"),
    (FRAME, b"\x08\x01" + b"\xff" * 20, "malformed", "serialized tf.train.SequenceExample"),
    (FRAME, b"", "malformed", "serialized tf.train.SequenceExample"),
    (FRAME, video_record(), "missing features", "expected rgb, got none"),
    (VIDEO, without(b"mean_rgb", video_record()), "missing features", "expected mean_rgb, got none"),
    (VIDEO, video_record(mean_rgb=np.zeros(4, "f4")), "feature length", "expected 3 floats of mean_rgb, got 4"),
    (VIDEO, video_record(mean_audio=np.zeros(0, "f4")), "feature length", "2 floats of mean_audio, got 0"),
    (VIDEO, video_record(mean_rgb=np.array([0, np.nan, 0], "f4")), "not finite", "got NaN or infinity"),
    (VIDEO, video_record(mean_audio=np.array([0, -np.inf], "f4")), "not finite", "got NaN or infinity"),
    (VIDEO, video_record(labels=[10]), "label", "got 10"),
    (VIDEO, b"\x0a\xff\xff\xff\xff\x0f", "malformed", "serialized tf.train.Example"),
]


@pytest.mark.parametrize(("features", "faulty", "kind", "detail"), FAULTY, ids=[case[3] for case in FAULTY])
def test_a_faulty_record_is_named_and_its_neighbours_kept(
    features: Features, faulty: bytes, kind: str, detail: str
) -> None:
    fine = record() if features.level == "frame" else video_record()
    parsed = parse([fine, faulty, fine], features)
    assert parsed.good.tolist() == [True, False, True]
    [fault] = parsed.faults
    assert (fault.kind, fault.record_index) == (kind, 1)
    assert detail in fault.detail


@pytest.mark.parametrize("features", [FRAME, VIDEO], ids=["frame", "video"])
def test_a_record_with_one_wrong_bit_is_named_and_its_neighbours_kept(features: Features) -> None:
    fine = frame_record(record() if features.level == "frame" else video_record())
    for place in range(12, len(fine)):
        damaged = bytearray(fine * 3)
        damaged[len(fine) + place] ^= 1 << place % 8
        parsed = parse_bytes(bytes(damaged), features)
        assert parsed.good.tolist() == [True, False, True]
        assert [(fault.kind, fault.record_index) for fault in parsed.faults] == [("data CRC", 1)]


def test_a_record_without_labels_is_a_video_of_no_known_class() -> None:
    parsed = parse([without(b"labels", record()), record(labels=[]), record(labels=[7])], FRAME)
    assert [labels for _, labels, _ in videos(parsed, FRAME)] == [[], [], [7]]


def test_the_largest_finite_values_are_finite() -> None:
    values = np.array([np.finfo("f4").max, -np.finfo("f4").max, np.finfo("f4").tiny], "f4")
    [(_, _, frames)] = videos(parse([video_record(mean_rgb=values)], VIDEO), VIDEO)
    assert frames[0, :3].tolist() == values.tolist()


def test_ids_that_are_not_text_are_escaped() -> None:
    odd, long, greek = record().replace(b"abcd", b"ab\xff\xfe"), record(video_id="longer-id"), record(video_id="αβ")
    for records, expected in (
        ([odd, long, greek], ["ab\\xff\\xfe", "longer-id", "αβ"]),
        ([long, record()], ["longer-id", "abcd"]),
    ):
        choice = sampling.evenly(len(records), 1)
        ids = gather(cut_of(parse(records, FRAME)), FRAME, Buffers(), choice).video_ids
        assert ids.dtype.kind == "U"
        assert ids.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_agrees_with_protobuf_whatever_the_order_and_the_extras(data: st.DataObject) -> None:
    train = pytest.importorskip("tensorflow").train
    frames = data.draw(st.integers(1, 5))
    rgb, audio = (data.draw(st.binary(min_size=frames * w, max_size=frames * w)) for w in (3, 2))
    labels = data.draw(st.lists(st.integers(0, 9), max_size=80))
    message = train.SequenceExample()
    context = {
        "id": train.Feature(bytes_list=train.BytesList(value=[b"abcd"])),
        "labels": train.Feature(int64_list=train.Int64List(value=labels)),
        "other": train.Feature(float_list=train.FloatList(value=[1.5, 2.5])),
    }
    lists = {
        "rgb": [rgb[i * 3 : i * 3 + 3] for i in range(frames)],
        "audio": [audio[i * 2 : i * 2 + 2] for i in range(frames)],
        "other": [b"x"],
    }
    for name in data.draw(st.permutations(sorted(context))):
        message.context.feature[name].CopyFrom(context[name])
    for name in data.draw(st.permutations(sorted(lists))):
        for value in lists[name]:
            message.feature_lists.feature_list[name].feature.add().bytes_list.value.append(value)
    unknown = data.draw(st.sampled_from([b"", b"\x18\x05", b"\x1a\x02hi", b"\x1d1234", b"\x1912345678"]))
    parsed = parse([message.SerializeToString() + unknown], FRAME)
    assert parsed.faults == ()
    [(video_id, found, values)] = videos(parsed, FRAME)
    assert (video_id, found) == ("abcd", sorted(set(labels)))
    assert values[:, :3].tobytes() == rgb
    assert values[:, 3:].tobytes() == audio


def mutated(record: bytes, data: st.DataObject) -> bytes:
    """The record with bytes changed, put in, taken out, written twice, or moved; its end may be missing."""
    damaged = bytearray(record)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        size = data.draw(st.integers(1, 8))
        piece = damaged[at : at + size]
        kind = data.draw(st.sampled_from(["change", "put in", "take out", "twice", "move", "end"]))
        if kind == "change":
            damaged[at] = data.draw(st.integers(0, 255))
        elif kind == "put in":
            damaged[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == "twice":
            damaged[at:at] = piece
        elif len(damaged) > size:
            del damaged[at : len(damaged) if kind == "end" and at else at + size]
            if kind == "move":
                to = data.draw(st.integers(0, len(damaged)))
                damaged[to:to] = piece
    return bytes(damaged)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_damaged_record_is_a_fault_or_what_protobuf_reads(data: st.DataObject) -> None:
    """Its checksum is right, so nothing but the parser stands between the damage and a model."""
    train = pytest.importorskip("tensorflow").train
    features = data.draw(st.sampled_from([FRAME, VIDEO]))
    damaged = mutated(record() if features.level == "frame" else video_record(), data)
    parsed = parse([damaged], features)
    if parsed.faults:
        return
    [(video_id, labels, values)] = videos(parsed, features)
    kind = train.SequenceExample if features.level == "frame" else train.Example
    try:
        message = kind.FromString(damaged)
    except DecodeError:  # protobuf also refuses damage in names and features that nobody asked for
        return
    context = message.context if features.level == "frame" else message.features
    # An id that nobody escaped is that of the record, under whichever of its names.
    [plain] = (context.feature["id"] if "id" in context.feature else context.feature["video_id"]).bytes_list.value
    assert video_id == plain.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    assert labels == sorted(set(context.feature["labels"].int64_list.value))
    if features.level == "frame":
        lists = message.feature_lists.feature_list
        assert values[:, :3].tobytes() == b"".join(f.bytes_list.value[0] for f in lists["rgb"].feature)
        assert values[:, 3:].tobytes() == b"".join(f.bytes_list.value[0] for f in lists["audio"].feature)
    else:
        means = [value for name in ("mean_rgb", "mean_audio") for value in context.feature[name].float_list.value]
        np.testing.assert_array_equal(values[0], np.array(means, np.float32))


FUZZ = """
import numpy as np
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.tfrecord import survey
import tests_record
def load_word(data, at):
    return np.int32(int.from_bytes(bytes(data[at + i] for i in range(4)), "little", signed=True))
survey.load_word = load_word
survey.crc32c = lambda *_: 0
rng = np.random.default_rng(0)
for n in range(1500):
    record = bytearray(tests_record.frame if n % 2 else tests_record.video)
    for _ in range(rng.integers(1, 6)):
        record[rng.integers(len(record))] = rng.integers(256)
    record = record[: rng.integers(len(record)) + 1] if n % 3 == 0 else record
    class Guarded(np.ndarray):
        def __getitem__(self, key):
            assert isinstance(key, slice) or 0 <= key < self.size, key
            return super().__getitem__(key)
    data = np.frombuffer(record, np.uint8).view(Guarded)
    size = 1 if n % 2 else 4
    layout = survey.layout(Features("frame" if n % 2 else "video", classes=10, rgb=3, audio=2))
    places = [room.view(Guarded) for room in survey.room_for_frames(np.array([len(data)]), layout)]
    marks, row = (np.empty(count, kind).view(Guarded) for count, kind in ((10, np.uint8), (survey.COLUMNS, np.int64)))
    survey.survey_record(data, 0, 0, layout, *places, marks, row)
print("survived")
"""


def test_no_damage_makes_the_parser_read_outside_the_record(tmp_path: Path) -> None:
    """Compiled code does not check its indices, so the same functions run uncompiled on an array that does."""
    (tmp_path / "tests_record.py").write_text(f"frame = {record()!r}\nvideo = {video_record()!r}\n")
    root = Path(__file__).resolve().parents[4]
    environment = {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": f"{root}:{tmp_path}"}
    result = subprocess.run([sys.executable, "-c", FUZZ], capture_output=True, text=True, env=environment, check=False)
    assert result.stdout.strip() == "survived", result.stderr


def test_encoded_records_are_what_tensorflow_reads() -> None:
    tf = pytest.importorskip("tensorflow")
    message = tf.train.SequenceExample.FromString(record(labels=[1, 300]))
    assert list(message.context.feature["labels"].int64_list.value) == [1, 300]
    assert message.context.feature["id"].bytes_list.value == [b"abcd"]
    rgb = [frame.bytes_list.value[0] for frame in message.feature_lists.feature_list["rgb"].feature]
    assert rgb == [row.tobytes() for row in frame_values(2, 3)]
    plain = tf.train.Example.FromString(video_record(mean_audio=np.array([0.5, -2], "f4")))
    assert list(plain.features.feature["mean_audio"].float_list.value) == [0.5, -2]
    assert tf.train.SequenceExample.FromString(message.SerializeToString()) == message


def test_real_video_level_records(yt8m_video: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    features = Features("video", classes=3862)
    read = 0
    for file in sorted(map(str, yt8m_video.glob("*.tfrecord"))):
        parsed = load(file, Position(), 1 << 22, FileMemory(), features)
        assert parsed.faults == ()
        theirs = [raw.numpy() for raw in tf.data.TFRecordDataset(file)]
        assert len(parsed.records) == len(theirs)
        spec = {
            name: tf.io.FixedLenFeature([size], tf.float32) for name, size in (("mean_rgb", 1024), ("mean_audio", 128))
        }
        spec |= {"id": tf.io.FixedLenFeature([], tf.string), "labels": tf.io.VarLenFeature(tf.int64)}
        expected = tf.io.parse_example(theirs, spec)
        choice = sampling.all_frames(len(theirs), 1)
        video_ids, frames, _, labels = gather(cut_of(parsed), features, Buffers(), choice)
        assert frames.dtype == np.float32
        np.testing.assert_array_equal(frames[:, 0, :1024], expected["mean_rgb"])
        np.testing.assert_array_equal(frames[:, 0, 1024:], expected["mean_audio"])
        assert [video_id.encode() for video_id in video_ids] == expected["id"].numpy().tolist()
        np.testing.assert_array_equal(labels, tf.sparse.to_indicator(expected["labels"], 3862))
        read += len(theirs)
    assert read == 9461


def test_the_real_frame_level_record(yt8m_frame: Path) -> None:
    train = pytest.importorskip("tensorflow").train
    features = Features("frame", classes=3862)
    file = yt8m_frame / "SjJ3.tfrecord"
    message = train.SequenceExample.FromString(file.read_bytes()[12:-4])
    [(video_id, labels, frames)] = videos(load(str(file), Position(), 1 << 22, FileMemory(), features), features)
    assert (video_id, labels, frames.shape) == ("SjJ3", [11], (170, 1152))
    lists = message.feature_lists.feature_list
    for name, values in (("rgb", frames[:, :1024]), ("audio", frames[:, 1024:])):
        assert [frame.bytes_list.value[0] for frame in lists[name].feature] == [row.tobytes() for row in values]


def test_frames_beyond_the_last_used_one_are_left_out() -> None:
    features = Features("frame", classes=10, rgb=3, audio=2, max_frames=4)
    long = record(rgb=frame_values(6, 3), audio=frame_values(6, 2))
    [(_, _, frames)] = videos(parse([long], features), features)
    assert frames[:, :3].tolist() == frame_values(6, 3)[:4].tolist()


def test_framed_records_go_through_both_layers(tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord"
    file.write_bytes(frame_record(record()) + frame_record(record(labels=[99])) + frame_record(record())[:-3])
    parsed = load(str(file), Position(), 1 << 20, FileMemory(), FRAME)
    assert [fault[:3] for fault in parsed.faults] == [("label", str(file), 1), ("truncated", str(file), 2)]
    assert parsed.good.tolist() == [True, False]


def test_unless_asked_nothing_is_checked_but_the_framing(tmp_path: Path) -> None:
    file = tmp_path / "a.tfrecord"
    file.write_bytes(frame_record(b"no message") + frame_record(record())[:-3])
    framed = load(str(file), Position(), 1 << 20, FileMemory())
    assert [fault.kind for fault in framed.faults] == ["truncated"]
    assert framed.good.tolist() == [True]
    with pytest.raises(RewindError, match="batch 0"):
        framed_window = replace(cut_of(framed).spans[0].window, checked=False)
        gather(Cut(0, [Span(framed_window, 0, 1)]), FRAME, Buffers(), sampling.evenly(1, 1))


def test_a_record_that_changes_after_it_was_checked_is_an_error() -> None:
    batch = cut_of(parse([record(), record()], FRAME))
    records = batch.spans[0].window.records
    records.memory[0][-20] ^= 1  # a private copy of the file's page
    with pytest.raises(DataError, match="must stay as they are while they are read"):
        gather(batch, FRAME, Buffers(), sampling.evenly(2, 1))
