"""From records to dense arrays in one pass: each record is checked, parsed and copied while it is in the cache.

Only the frames that were chosen are copied, straight from the file's bytes.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapsack.selection.compiled import jit
from gapsack.sweep.data.sampling import choose
from gapsack.sweep.data.storage.copy import LINE_BYTES, bytes_at, copy_bytes, load_byte, stream_bytes
from gapsack.sweep.data.storage.guard import whole_mappings
from gapsack.sweep.data.tfrecord import survey as columns
from gapsack.sweep.data.tfrecord.crc import crc_function
from gapsack.sweep.data.tfrecord.survey import (
    FRAMES,
    GOOD,
    STATUS,
    Layout,
    layout,
    room_for_frames,
    survey_record,
    survey_records,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.sweep.data.features import Features
    from gapsack.sweep.data.sampling import FrameChoice
    from gapsack.sweep.data.storage.buffers import Buffers
    from gapsack.sweep.data.stream.blocks import Cut

_ASCII = 0x80  # bytes below are characters of their own in UTF-8


class Gathered(NamedTuple):
    """`video_ids` [videos]; `frames` uint8 or float32 [videos, places, width]; `num_frames` int32 [videos], places that
    hold frames of the video; `labels` bool [videos, classes]."""

    video_ids: NDArray[np.str_]
    frames: NDArray[np.uint8 | np.float32]
    num_frames: NDArray[np.int32]
    labels: NDArray[np.bool_]


def gather(batch: Cut, features: Features, buffers: Buffers, choice: FrameChoice) -> Gathered:
    """Check the records of a batch and make its arrays, whose memory comes from `buffers`.

    Raises `RewindError` where a record cannot be used, `DataError` where a file is cut meanwhile.
    """
    with whole_mappings():
        return _gather_batch(batch, features, buffers, choice)


def _gather_batch(batch: Cut, features: Features, buffers: Buffers, choice: FrameChoice) -> Gathered:
    shape = len(batch), choice.places, features.width * features.bytes_per_value
    frames = buffers.take(math.prod(shape)).reshape(shape)
    labels = buffers.take(len(batch) * features.classes).reshape(len(batch), features.classes)
    found = np.empty((len(batch), columns.COLUMNS), np.int64)
    for records, rows, at in batch.pieces():
        _gather(
            records.at[rows],
            records.size_bytes[rows],
            records.crcs[rows],
            crc_function(),
            layout(features),
            features.max_frames,
            choice.way,
            choice.draws[at],
            found[at],
            labels[at],
            frames[at],
        )
    batch.refuse(found[:, STATUS] == GOOD)
    values = frames if features.level == "frame" else frames.view(np.float32)
    counts = (
        np.minimum(found[:, FRAMES], features.max_frames) if choice.keeps_all else np.full(len(batch), choice.places)
    )
    return Gathered(_video_ids(batch, found), values, counts.astype(np.int32), labels.view(np.bool_))


def count_frames(batch: Cut, features: Features) -> NDArray[np.int64]:
    """Check the records of a batch; how many frames each has to use, at most `features.max_frames`: int64 [videos].

    Raises `RewindError` where a record cannot be used.
    """
    with whole_mappings():
        found = np.concatenate(
            [
                survey_records(
                    records.at[rows], records.size_bytes[rows], records.crcs[rows], crc_function(), layout(features)
                )
                for records, rows, _ in batch.pieces()
            ]
        )
    batch.refuse(found[:, STATUS] == GOOD)
    counts: NDArray[np.int64] = np.minimum(found[:, FRAMES], features.max_frames)
    return counts


def _video_ids(batch: Cut, found: NDArray[np.int64]) -> NDArray[np.str_]:
    """Ids of the videos as text; bytes that are not UTF-8 are escaped rather than lost.

    So are zeros: numpy takes those at the end of a text for none, and two ids would be one.
    """
    at = found[:, columns.ID_START] + np.concatenate([records.at[rows] for records, rows, _ in batch.pieces()])
    size_bytes = found[:, columns.ID_STOP] - found[:, columns.ID_START]
    longest = int(size_bytes.max())
    letters = np.zeros((len(at), longest), np.uint32)
    if _spell(at, size_bytes, letters):
        return letters.view(f"U{longest}")[:, 0]
    ids = map(ctypes.string_at, at.tolist(), size_bytes.tolist())
    texts = [video_id.decode("utf-8", "backslashreplace").replace("\0", "\\x00") for video_id in ids]
    return np.array(texts, np.str_)


@jit()
def _spell(at: NDArray[np.int64], size_bytes: NDArray[np.int64], letters: NDArray[np.uint32]) -> bool:
    """Write ids letter by letter; whether that is right, since all are ASCII and none is zero."""
    all_bits, any_zero = np.uint8(0), False
    for i in range(at.size):
        for j in range(size_bytes[i]):
            byte = load_byte(at[i] + j)
            letters[i, j] = byte
            all_bits |= byte
            any_zero |= byte == 0
    return bool(all_bits < _ASCII) and not any_zero


@jit()
def _gather(
    at: NDArray[np.int64],
    size_bytes: NDArray[np.int64],
    crcs: NDArray[np.int64],
    crc_function: int,
    layout: Layout,
    max_frames: int,
    way: int,
    draws: NDArray[np.uint32],
    found: NDArray[np.int64],
    labels: NDArray[np.uint8],
    frames: NDArray[np.uint8],
) -> None:
    """Fill the rows `found` of `survey_record`, the dense labels and the frames of records at the addresses `at`."""
    rgb_at, audio_at = room_for_frames(size_bytes, layout)
    times = np.empty(max_frames, np.int64)
    for i in range(at.size):
        data = bytes_at(at[i], size_bytes[i])
        survey_record(data, crcs[i], crc_function, layout, rgb_at, audio_at, labels[i], found[i])
        count = min(found[i, FRAMES], max_frames) if found[i, STATUS] == GOOD else 0
        if count > 0:
            choose(way, frames.shape[1], draws[i], count, times)
        _copy_frames(data, rgb_at, audio_at, layout, times[:count], frames[i])


@jit()
def _copy_frames(
    data: NDArray[np.uint8],
    rgb_at: NDArray[np.int64],
    audio_at: NDArray[np.int64],
    layout: Layout,
    times: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """Copy frame i of a record to the next times[i] places of `out` [places, width]; zeros beyond the last one."""
    base, flat, width_bytes = data.ctypes.data, out.reshape(-1), out.shape[1]
    rgb_bytes, audio_bytes = layout.rgb_bytes, layout.audio_bytes
    on_lines = rgb_bytes % LINE_BYTES == 0 and audio_bytes % LINE_BYTES == 0 and out.ctypes.data % LINE_BYTES == 0
    place = 0
    for frame in range(times.size):
        rgb, audio = base + rgb_at[frame], base + audio_at[frame]
        for _ in range(times[frame]):
            if on_lines:
                stream_bytes(flat, place, rgb, rgb_bytes)
                stream_bytes(flat, place + rgb_bytes, audio, audio_bytes)
            else:
                copy_bytes(flat, place, rgb, rgb_bytes)
                copy_bytes(flat, place + rgb_bytes, audio, audio_bytes)
            place += width_bytes
    flat[place:] = 0
