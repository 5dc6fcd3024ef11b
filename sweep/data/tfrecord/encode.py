"""Records in the YouTube-8M format, as bytes: what the reader reads, written without TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

# Kinds of a Feature, and the wire type of everything here.
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_DELIMITED = 2


def sequence_example(video_id: str, labels: Iterable[int], rgb: NDArray[np.uint8], audio: NDArray[np.uint8]) -> bytes:
    """A frame-level record: `rgb` uint8 [frames, 1024] and `audio` uint8 [frames, 128]."""
    lists = {name: _frame_list(frames) for name, frames in (("audio", audio), ("rgb", rgb))}
    return _field(1, _context(video_id, labels)) + _field(2, _map(lists))


def example(
    video_id: str, labels: Iterable[int], mean_rgb: NDArray[np.float32], mean_audio: NDArray[np.float32]
) -> bytes:
    """A video-level record: `mean_rgb` float32 [1024] and `mean_audio` float32 [128]."""
    means = {"mean_rgb": mean_rgb, "mean_audio": mean_audio}
    floats = _map({name: _feature(_FLOAT_LIST, values.astype("<f4").tobytes()) for name, values in means.items()})
    return _field(1, _context(video_id, labels) + floats)


def _context(video_id: str, labels: Iterable[int]) -> bytes:
    packed = b"".join(_varint(label) for label in labels)
    return _map({"id": _feature(_BYTES_LIST, video_id.encode()), "labels": _feature(_INT64_LIST, packed)})


def _frame_list(frames: NDArray[np.uint8]) -> bytes:
    """A FeatureList: every frame is the same few bytes and then its values, so all are laid out at once."""
    width = frames.shape[1]
    before = _feature(_BYTES_LIST, bytes(width))[:-width]
    head = _field(1, before + bytes(width))[:-width]
    rows = np.empty((len(frames), len(head) + width), np.uint8)
    rows[:, : len(head)] = np.frombuffer(head, np.uint8)
    rows[:, len(head) :] = frames
    return rows.tobytes()


def _feature(kind: int, value: bytes) -> bytes:
    return _field(kind, _field(1, value))


def _map(entries: Mapping[str, bytes]) -> bytes:
    return b"".join(_field(1, _field(1, key.encode()) + _field(2, value)) for key, value in entries.items())


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _DELIMITED) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
