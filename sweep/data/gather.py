"""From records to dense arrays: only the frames that were picked are copied, straight from the file's bytes."""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from sweep.data.memcpy import LINE_BYTES, copy_bytes, stream_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sweep.data.buffers import Buffers
    from sweep.data.features import Features
    from sweep.data.records import Records


class Piece(NamedTuple):
    """Some rows of one stretch's records, and the places [rows] in the batch where they go."""

    records: Records
    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def video_ids(pieces: Sequence[Piece], size: int) -> NDArray[np.str_]:
    """Ids of a batch of `size` videos."""
    ids = np.empty(size, object)
    for records, rows, places in pieces:
        ids[places] = records.video_ids(rows)
    return ids.astype(np.str_)


def frame_counts(pieces: Sequence[Piece], size: int, features: Features) -> NDArray[np.int64]:
    """How many frames of each video may be used: its own, at most `features.max_frames`."""
    counts = np.empty(size, np.int64)
    for records, rows, places in pieces:
        counts[places] = records.frame_ends[rows + 1] - records.frame_ends[rows]
    return np.minimum(counts, features.max_frames)


def labels(pieces: Sequence[Piece], size: int, features: Features) -> NDArray[np.bool_]:
    """Dense labels of a batch, bool [size, classes]."""
    dense = np.zeros((size, features.classes), np.bool_)
    for records, rows, places in pieces:
        _mark(records.label_ends, records.labels, rows, places, dense)
    return dense


def frames(
    pieces: Sequence[Piece], picks: NDArray[np.int64], features: Features, buffers: Buffers
) -> NDArray[np.uint8 | np.float32]:
    """Picked frames [videos, S, width]: uint8, or the float32 of video-level records; memory comes from `buffers`.

    `picks` int64 [videos, S]: which frame of its video fills each place; a negative pick leaves zeros.
    """
    size = features.bytes_per_value
    shape = (*picks.shape, features.width * size)
    out = buffers.take(math.prod(shape)).reshape(shape)
    for piece in pieces:
        _copy(*piece, picks, features.rgb * size, out)
    return out if features.level == "frame" else out.view(np.float32)


def _copy(
    records: Records,
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    picks: NDArray[np.int64],
    rgb_bytes: int,
    out: NDArray[np.uint8],
) -> None:
    _copy_frames(
        records.data, records.frame_ends, records.rgb_at, records.audio_at, rows, places, picks, rgb_bytes, out
    )


@njit(cache=True, nogil=True)
def _mark(
    label_ends: NDArray[np.int64],
    values: NDArray[np.int64],
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    dense: NDArray[np.bool_],
) -> None:
    for i in range(rows.size):
        for label in values[label_ends[rows[i]] : label_ends[rows[i] + 1]]:
            dense[places[i], label] = True


@njit(cache=True, nogil=True)
def _copy_frames(
    data: NDArray[np.uint8],
    frame_ends: NDArray[np.int64],
    rgb_at: NDArray[np.int64],
    audio_at: NDArray[np.int64],
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
    picks: NDArray[np.int64],
    rgb_bytes: int,
    out: NDArray[np.uint8],
) -> None:
    frame_count, width_bytes = out.shape[1], out.shape[2]
    audio_bytes = width_bytes - rgb_bytes
    flat = out.reshape(-1)
    on_lines = rgb_bytes % LINE_BYTES == 0 and audio_bytes % LINE_BYTES == 0 and out.ctypes.data % LINE_BYTES == 0
    for i in range(rows.size):
        first = frame_ends[rows[i]]
        for s in range(frame_count):
            pick = picks[places[i], s]
            at = (places[i] * frame_count + s) * width_bytes
            if pick < 0:
                flat[at : at + width_bytes] = 0
            elif on_lines:
                stream_bytes(flat, at, data, rgb_at[first + pick], rgb_bytes)
                stream_bytes(flat, at + rgb_bytes, data, audio_at[first + pick], audio_bytes)
            else:
                copy_bytes(flat, at, data, rgb_at[first + pick], rgb_bytes)
                copy_bytes(flat, at + rgb_bytes, data, audio_at[first + pick], audio_bytes)
