"""The records of a stretch: where they lie, and sentences for those that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapsack.sweep.data.faults import EMPTY_FILE, Fault
from gapsack.sweep.data.storage.copy import bytes_at
from gapsack.sweep.data.storage.guard import whole_mappings
from gapsack.sweep.data.tfrecord import survey as columns
from gapsack.sweep.data.tfrecord.crc import crc_function
from gapsack.sweep.data.tfrecord.feature_names import names_there
from gapsack.sweep.data.tfrecord.framing import OVERHEAD_BYTES, Position, Stretch
from gapsack.sweep.data.tfrecord.survey import layout, survey_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from gapsack.sweep.data.features import Features
    from gapsack.sweep.data.storage.mapping import FileMemory

_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Records:
    """Records as they are framed: nothing is copied or looked at, these say where they lie.

    All int64 [n]: the addresses `at` in `memory`, which they keep alive; `size_bytes`; `crcs`, which they should have.
    """

    memory: tuple[NDArray[np.uint8], ...]
    at: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    crcs: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)


class Loaded(NamedTuple):
    """What a stretch held.

    `good` bool [records]: False for those that were checked and cannot be used. `faults`: these, and what could not be
    framed. `after`: where the next stretch begins, None at the end. `file_bytes`: size of the whole file.
    """

    records: Records
    good: NDArray[np.bool_]
    faults: tuple[Fault, ...]
    after: Position | None
    file_bytes: int

    @property
    def good_bytes(self) -> int:
        """Bytes of the file that hold the good records."""
        return int(self.records.size_bytes[self.good].sum()) + OVERHEAD_BYTES * int(self.good.sum())


def load(
    file: str,
    position: Position,
    size_bytes: int,
    memory: FileMemory,
    check_for: Features | None = None,
    *,
    file_bytes: int | None = None,
) -> Loaded:
    """Frame a stretch of a file, and check that its records are those of `check_for`, if that is given.

    Raises `DataError` when reading fails, when the file has not the size `file_bytes` (if that is known), or when it is
    cut while it is read.
    """
    with whole_mappings():
        return _load(Stretch(file, position, size_bytes, memory, file_bytes), position, check_for)


def _load(stretch: Stretch, position: Position, check_for: Features | None) -> Loaded:
    records = join(
        [
            Records((stretch.data,), run.starts + stretch.data.ctypes.data, run.stops - run.starts, run.crcs)
            for run in stretch.runs()
        ]
    )
    good, faults = np.ones(len(records), np.bool_), tuple[Fault, ...]()
    if check_for is not None:
        rows = survey_records(records.at, records.size_bytes, records.crcs, crc_function(), layout(check_for))
        good = rows[:, columns.STATUS] == columns.GOOD
        faults = tuple(_faults(stretch.file, position.record_index, records, rows, check_for))
    if stretch.file_bytes == 0:
        faults = (Fault(EMPTY_FILE, stretch.file, 0, "the file has no bytes"),)
    return Loaded(records, good, (*faults, *stretch.faults), stretch.after, stretch.file_bytes or 0)


def join(parts: Sequence[Records]) -> Records:
    """The records of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    memory = {id(piece): piece for part in parts for piece in part.memory}
    return Records(
        tuple(memory.values()),
        _concatenate([part.at for part in parts]),
        _concatenate([part.size_bytes for part in parts]),
        _concatenate([part.crcs for part in parts]),
    )


def _faults(
    file: str, first_index: int, records: Records, rows: NDArray[np.int64], features: Features
) -> Iterator[Fault]:
    for i in np.flatnonzero(rows[:, columns.STATUS] != columns.GOOD).tolist():
        data = bytes_at(int(records.at[i]), int(records.size_bytes[i]))
        kind, detail = _describe(rows[i], data, features)
        yield Fault(kind, file, first_index + i, detail)


def _describe(row: NDArray[np.int64], data: NDArray[np.uint8], features: Features) -> tuple[str, str]:
    """Kind of a fault, and what was expected and what came."""
    status, got = int(row[columns.STATUS]), int(row[columns.GOT])
    is_frames = features.level == "frame"
    id_names, (rgb,), (audio,) = " or ".join(features.names("id")), features.names("rgb"), features.names("audio")
    unit, place = ("bytes", f" in frame {row[columns.PLACE]}") if is_frames else ("floats", "")
    lengths = f"{unit} of {{}}{place}, got {got // features.bytes_per_value}"
    message = "SequenceExample" if is_frames else "Example"
    kind, detail = {
        columns.CRC: ("data CRC", "the bytes do not have the checksum that was stored with them"),
        columns.BROKEN: ("malformed", f"expected a serialized tf.train.{message}, got other bytes"),
        columns.NO_ID: ("missing id", f"expected a bytes feature {id_names}, got none"),
        columns.NO_RGB: ("missing features", f"expected {rgb}, got none"),
        columns.NO_AUDIO: ("missing features", f"expected {audio}, got none"),
        columns.NO_FRAMES: ("no frames", "expected at least one frame, got none"),
        columns.RGB_LENGTH: ("feature length", f"expected {features.rgb} {lengths.format(rgb)}"),
        columns.AUDIO_LENGTH: ("feature length", f"expected {features.audio} {lengths.format(audio)}"),
        columns.UNEQUAL: (
            "unequal lengths",
            f"expected as many {audio} as {rgb} frames ({row[columns.FRAMES]}), got {got}",
        ),
        columns.LABEL: ("label", f"expected labels from 0 to {features.classes - 1}, got {got}"),
        columns.NOT_FINITE: ("not finite", "expected finite values, got NaN or infinity"),
    }[status]
    if status in (columns.NO_ID, columns.NO_RGB, columns.NO_AUDIO):
        detail += f" ({names_there(data)}; data.keys may name others)"
    return kind, detail


def _concatenate(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([_NOTHING, *parts])  # there may be no parts
