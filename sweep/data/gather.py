"""From records to dense arrays: only the frames that were picked are copied, straight from the file's bytes."""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from sweep.data.memcpy import LINE_BYTES, copy_bytes, load_byte, prefetch, stream_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from sweep.data.blocks import Block, Span
    from sweep.data.buffers import Buffers
    from sweep.data.features import Features
    from sweep.data.records import Records

_FRAMES_AHEAD = 4
_ASCII = 0x80  # bytes below are characters of their own in UTF-8


class Gather:
    """Makes the arrays of one batch, whose records are `spans` of blocks; their memory comes from `buffers`."""

    def __init__(self, spans: Sequence[Span[Block]], features: Features, buffers: Buffers) -> None:
        self._pieces = [(block.records, block.rows[start:stop]) for block, start, stop in spans]
        self._size = sum(len(rows) for _, rows in self._pieces)
        self._features, self._buffers = features, buffers

    def video_ids(self) -> NDArray[np.str_]:
        """Ids of the videos as text; bytes that are not UTF-8 are escaped rather than lost."""
        longest = max((int(records.id_bytes[rows].max()) for records, rows in self._pieces), default=0)
        letters = np.zeros((self._size, longest), np.uint32)
        plain = [_spell(records.id_at, records.id_bytes, rows, letters[span]) for (records, rows), span in self._each()]
        if all(plain):
            return letters.view(f"U{longest}")[:, 0]
        texts = [text for piece in self._pieces for text in _texts(*piece)]
        return np.array(texts, np.str_)

    def frame_counts(self) -> NDArray[np.int64]:
        """How many frames of each video may be used: its own, at most `features.max_frames`."""
        counts = [records.frame_ends[rows + 1] - records.frame_ends[rows] for records, rows in self._pieces]
        return np.minimum(np.concatenate(counts), self._features.max_frames)

    def labels(self) -> NDArray[np.bool_]:
        """Dense labels, bool [videos, classes]."""
        shape = (self._size, self._features.classes)
        dense = self._buffers.take(math.prod(shape)).reshape(shape)
        for (records, rows), span in self._each():
            _mark(records.label_ends, records.labels, rows, dense[span])
        return dense.view(np.bool_)

    def frames(self, picks: NDArray[np.int64]) -> NDArray[np.uint8 | np.float32]:
        """Picked frames [videos, S, width]: uint8, or the float32 of video-level records.

        `picks` int64 [videos, S]: which frame of its video fills each place; a negative pick leaves zeros.
        """
        features = self._features
        shape = (*picks.shape, features.width * features.bytes_per_value)
        out = self._buffers.take(math.prod(shape)).reshape(shape)
        rgb_bytes = features.rgb * features.bytes_per_value
        for (records, rows), span in self._each():
            _copy_frames(records.frame_ends, records.rgb_at, records.audio_at, rows, picks[span], rgb_bytes, out[span])
        return out if features.level == "frame" else out.view(np.float32)

    def _each(self) -> Iterator[tuple[tuple[Records, NDArray[np.int64]], slice]]:
        """Every piece of the batch, and its place in it."""
        first = 0
        for piece in self._pieces:
            yield piece, slice(first, first + len(piece[1]))
            first += len(piece[1])


def _texts(records: Records, rows: NDArray[np.int64]) -> Iterable[str]:
    for at, count in zip(records.id_at[rows].tolist(), records.id_bytes[rows].tolist(), strict=True):
        name = np.empty(count, np.uint8)
        _fetch(at, name)
        yield name.tobytes().decode("utf-8", "backslashreplace")


@njit(cache=True, nogil=True)
def _fetch(address: int, out: NDArray[np.uint8]) -> None:
    copy_bytes(out, 0, address, out.size)


@njit(cache=True, nogil=True)
def _spell(
    id_at: NDArray[np.int64], id_bytes: NDArray[np.int64], rows: NDArray[np.int64], letters: NDArray[np.uint32]
) -> bool:
    """Write ids letter by letter; whether that is right, since all are ASCII."""
    all_bits = np.uint8(0)
    for i in range(rows.size):
        for j in range(id_bytes[rows[i]]):
            byte = load_byte(id_at[rows[i]] + j)
            letters[i, j] = byte
            all_bits |= byte
    return bool(all_bits < _ASCII)


@njit(cache=True, nogil=True)
def _mark(
    label_ends: NDArray[np.int64], values: NDArray[np.int64], rows: NDArray[np.int64], dense: NDArray[np.uint8]
) -> None:
    dense[:] = 0
    for i in range(rows.size):
        for label in values[label_ends[rows[i]] : label_ends[rows[i] + 1]]:
            dense[i, label] = 1


@njit(cache=True, nogil=True)
def _copy_frames(
    frame_ends: NDArray[np.int64],
    rgb_at: NDArray[np.int64],
    audio_at: NDArray[np.int64],
    rows: NDArray[np.int64],
    picks: NDArray[np.int64],
    rgb_bytes: int,
    out: NDArray[np.uint8],
) -> None:
    count, width_bytes = picks.shape[1], out.shape[2]
    audio_bytes = width_bytes - rgb_bytes
    flat = out.reshape(-1)
    on_lines = rgb_bytes % LINE_BYTES == 0 and audio_bytes % LINE_BYTES == 0 and out.ctypes.data % LINE_BYTES == 0
    for place in range(picks.size):
        later = min(place + _FRAMES_AHEAD, picks.size - 1)
        pick = picks[later // count, later % count]
        if pick >= 0:
            frame = frame_ends[rows[later // count]] + pick
            prefetch(rgb_at[frame], rgb_bytes)
            prefetch(audio_at[frame], audio_bytes)
        at = place * width_bytes
        pick = picks[place // count, place % count]
        frame = frame_ends[rows[place // count]] + pick
        if pick < 0:
            flat[at : at + width_bytes] = 0
        elif on_lines:
            stream_bytes(flat, at, rgb_at[frame], rgb_bytes)
            stream_bytes(flat, at + rgb_bytes, audio_at[frame], audio_bytes)
        else:
            copy_bytes(flat, at, rgb_at[frame], rgb_bytes)
            copy_bytes(flat, at + rgb_bytes, audio_at[frame], audio_bytes)
