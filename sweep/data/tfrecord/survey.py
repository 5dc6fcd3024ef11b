"""Compiled survey of a record: where its id and frames lie, which labels it has, or what is wrong with it.

One row of int64 a record; the columns are named below. All spans are (start, stop) in the record's bytes.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapsack.selection.compiled import jit
from gapsack.sweep.data.storage.copy import bytes_at, load_word
from gapsack.sweep.data.tfrecord.crc import crc32c
from gapsack.sweep.data.tfrecord.wire import (
    ABSENT,
    DELIMITED,
    MALFORMED,
    find_entry,
    find_message,
    read_field,
    read_integers,
    single_value,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.sweep.data.features import Features

# Columns. A status other than GOOD may come with two figures: what was expected is known, GOT and PLACE say what came.
STATUS, GOT, PLACE, ID_START, ID_STOP, FRAMES = range(6)
COLUMNS = 6

# What a record can be; `records.py` has a sentence for each.
GOOD, BROKEN, NO_ID, NO_RGB, NO_AUDIO, NO_FRAMES, RGB_LENGTH, AUDIO_LENGTH, UNEQUAL, LABEL, NOT_FINITE, CRC = range(12)

ID, OTHER_ID, LABELS, RGB, AUDIO = range(5)  # rows of `Layout.names`
_EXPONENT = np.int32(0x7F800000)
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3  # the kinds of a Feature


class Layout(NamedTuple):
    """What a record should hold; the bytes are those of one frame's values, 0 where records need not have them.

    `names`: of the features, a row each in the order of `ID`, `OTHER_ID` (which counts where the other is missing),
    `LABELS`, `RGB` and `AUDIO`, as `wire.find_entry` takes them.
    """

    frame_level: bool
    rgb_bytes: int
    audio_bytes: int
    classes: int
    names: NDArray[np.uint8]


@cache
def layout(features: Features) -> Layout:
    """The layout of a data set's records."""
    ids = features.names("id")
    texts = [ids[0], ids[-1], *(features.names(part)[0] for part in ("labels", "rgb", "audio"))]
    names = np.zeros((len(texts), 1 + max(len(text.encode()) for text in texts)), np.uint8)
    for row, text in zip(names, texts, strict=True):
        letters = text.encode()
        row[: 1 + len(letters)] = [len(letters), *letters]
    return Layout(
        features.level == "frame",
        features.rgb * features.bytes_per_value,
        features.audio * features.bytes_per_value,
        features.classes,
        names,
    )


@jit()
def survey_records(
    at: NDArray[np.int64], size_bytes: NDArray[np.int64], crcs: NDArray[np.int64], crc_function: int, layout: Layout
) -> NDArray[np.int64]:
    """Rows int64 [n, COLUMNS] of the records at the addresses `at`, whose CRCs should be `crcs`."""
    rows = np.empty((at.size, COLUMNS), np.int64)
    rgb_at, audio_at = room_for_frames(size_bytes, layout)
    marks = np.empty(layout.classes, np.uint8)
    for i in range(at.size):
        data = bytes_at(at[i], size_bytes[i])
        survey_record(data, crcs[i], crc_function, layout, rgb_at, audio_at, marks, rows[i])
    return rows


@jit()
def room_for_frames(size_bytes: NDArray[np.int64], layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Arrays that hold the places of rgb and of audio values of any record of `size_bytes`.

    Only frames of the right length are noted, and each takes more than its values' bytes: these cannot overflow.
    """
    most = size_bytes.max() if size_bytes.size else 0
    # Without values of one kind, its places are still as many as the frames: copying takes none of their bytes.
    rgb = most // (layout.rgb_bytes if layout.rgb_bytes > 0 else layout.audio_bytes) + 1
    audio = most // (layout.audio_bytes if layout.audio_bytes > 0 else layout.rgb_bytes) + 1
    return np.empty(rgb, np.int64), np.empty(audio, np.int64)


@jit()
def survey_record(
    data: NDArray[np.uint8],
    crc: int,
    crc_function: int,
    layout: Layout,
    rgb_at: NDArray[np.int64],
    audio_at: NDArray[np.int64],
    marks: NDArray[np.uint8],
    row: NDArray[np.int64],
) -> None:
    """Fill the `row` of a record's bytes `data`, whose CRC should be `crc`.

    When it is good, `rgb_at` and `audio_at` (see `room_for_frames`) begin with the places of its FRAMES frames' values,
    and `marks` [classes] is 1 for its labels and 0 for all others.
    """
    row[:], marks[:] = 0, 0
    if crc32c(crc_function, data, 0, data.size) != crc:
        row[STATUS] = CRC
        return
    features, features_stop = find_message(data, 0, data.size, 1)
    row[STATUS] = _survey_context(data, features, features_stop, layout, marks, row)
    if row[STATUS] != GOOD:
        return
    if layout.frame_level:
        lists, lists_stop = find_message(data, 0, data.size, 2)
        row[STATUS] = _survey_frames(data, lists, lists_stop, layout, rgb_at, audio_at, row)
    else:
        row[STATUS] = _survey_means(data, features, features_stop, layout, rgb_at, audio_at, row)


@jit()
def _survey_context(
    data: NDArray[np.uint8], start: int, stop: int, layout: Layout, marks: NDArray[np.uint8], row: NDArray[np.int64]
) -> int:
    """Id and labels; a record without labels is a video of no known class, not a fault."""
    if start < 0:
        return BROKEN
    value, value_stop = find_entry(data, start, stop, layout.names, ID)
    if value == ABSENT:
        value, value_stop = find_entry(data, start, stop, layout.names, OTHER_ID)
    if value >= 0:
        value, value_stop = single_value(data, value, value_stop, _BYTES_LIST)
    if value < 0 or value == value_stop:
        return NO_ID
    row[ID_START], row[ID_STOP] = value, value_stop
    value, value_stop = find_entry(data, start, stop, layout.names, LABELS)
    if value >= 0:
        value, value_stop = find_message(data, value, value_stop, _INT64_LIST)
    value, value_stop = max(value, 0), max(value_stop, 0)
    labels = np.empty(64, np.int64)
    count = read_integers(data, value, value_stop, labels)
    if count > labels.size:
        labels = np.empty(count, np.int64)
        read_integers(data, value, value_stop, labels)
    for label in labels[: max(count, 0)]:
        if label < 0 or label >= marks.size:
            row[GOT] = label
            return LABEL
        marks[label] = 1
    return GOOD if count >= 0 else BROKEN


@jit()
def _survey_frames(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    layout: Layout,
    rgb_at: NDArray[np.int64],
    audio_at: NDArray[np.int64],
    row: NDArray[np.int64],
) -> int:
    """The feature lists of a `SequenceExample` that are wanted: both, or one."""
    frames = 0
    if layout.rgb_bytes > 0:
        rgb, rgb_stop = find_entry(data, start, stop, layout.names, RGB)
        if rgb < 0:
            return NO_RGB
    if layout.audio_bytes > 0:
        audio, audio_stop = find_entry(data, start, stop, layout.names, AUDIO)
        if audio < 0:
            return NO_AUDIO
    if layout.rgb_bytes > 0:
        frames = _survey_list(data, rgb, rgb_stop, layout.rgb_bytes, rgb_at, row)
        if frames < 0:
            return BROKEN if row[GOT] < 0 else RGB_LENGTH
    if layout.audio_bytes > 0:
        audio_frames = _survey_list(data, audio, audio_stop, layout.audio_bytes, audio_at, row)
        if audio_frames < 0:
            return BROKEN if row[GOT] < 0 else AUDIO_LENGTH
        if layout.rgb_bytes > 0 and frames != audio_frames:
            row[FRAMES], row[GOT] = frames, audio_frames
            return UNEQUAL
        frames = audio_frames
    row[FRAMES] = frames
    return GOOD if frames > 0 else NO_FRAMES


@jit()
def _survey_list(
    data: NDArray[np.uint8], at: int, stop: int, frame_bytes: int, places: NDArray[np.int64], row: NDArray[np.int64]
) -> int:
    """Note where every frame of a `FeatureList` begins; their number, or -1 with the length of the first wrong one."""
    count = 0
    while at < stop:
        first = at
        field, wire, start, at = read_field(data, at, stop)
        if at < 0 or (field == 1 and wire != DELIMITED):
            row[GOT] = -1
            return -1
        if field != 1:
            continue
        value, value_stop = single_value(data, start, at, _BYTES_LIST)
        if value_stop - value != frame_bytes:
            row[GOT], row[PLACE] = value_stop - value if value >= 0 else -1, count
            return -1
        places[count] = value
        count += 1
        if value_stop != at:
            continue
        # Writers lay frames out alike: as long as the next one begins with the very same bytes (tags and lengths) as
        # this one, its values lie just as far from its beginning.
        head_bytes, frame_stride = value - first, at - first
        while at + frame_stride <= stop and _alike(data, first, at, head_bytes):
            places[count] = at + head_bytes
            count += 1
            at += frame_stride
    return count


@jit()
def _alike(data: NDArray[np.uint8], left: int, right: int, count: int) -> bool:
    """Whether `count` bytes are the same at both places: by words, the last one overlapping, since there are four."""
    last = count - 4
    different = load_word(data, left + last) ^ load_word(data, right + last)
    for i in range(0, last, 4):
        different |= load_word(data, left + i) ^ load_word(data, right + i)
    return bool(different == 0)


@jit()
def _survey_means(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    layout: Layout,
    rgb_at: NDArray[np.int64],
    audio_at: NDArray[np.int64],
    row: NDArray[np.int64],
) -> int:
    """The float lists of a video-level `Example` that are wanted: both, or one; as one frame."""
    rgb, rgb_stop, audio, audio_stop = 0, 0, 0, 0
    if layout.rgb_bytes > 0:
        rgb, rgb_stop = find_entry(data, start, stop, layout.names, RGB)
        if rgb < 0:
            return NO_RGB
        rgb, rgb_stop = single_value(data, rgb, rgb_stop, _FLOAT_LIST)
    if layout.audio_bytes > 0:
        audio, audio_stop = find_entry(data, start, stop, layout.names, AUDIO)
        if audio < 0:
            return NO_AUDIO
        audio, audio_stop = single_value(data, audio, audio_stop, _FLOAT_LIST)
    if MALFORMED in (rgb, audio):
        return BROKEN
    for got, wanted, status in (
        (rgb_stop - rgb, layout.rgb_bytes, RGB_LENGTH),
        (audio_stop - audio, layout.audio_bytes, AUDIO_LENGTH),
    ):
        if got != wanted:
            row[GOT] = got
            return status
    if not (_finite(data, rgb, rgb_stop) and _finite(data, audio, audio_stop)):
        return NOT_FINITE
    rgb_at[0], audio_at[0], row[FRAMES] = rgb, audio, 1
    return GOOD


@jit()
def _finite(data: NDArray[np.uint8], start: int, stop: int) -> np.bool:
    """Whether no little-endian float32 in the span has all exponent bits set, as NaN and infinities have."""
    largest = np.int32(0)
    for at in range(start, stop, 4):
        largest = max(largest, load_word(data, at) & _EXPONENT)
    return largest < _EXPONENT
