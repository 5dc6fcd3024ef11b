"""The records of a stretch: where they lie, and sentences for those that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapsack.sweep.data.faults import Fault
from gapsack.sweep.data.tfrecord import survey as columns
from gapsack.sweep.data.tfrecord.crc import crc_function
from gapsack.sweep.data.tfrecord.framing import Position, Stretch
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
    framed. `after`: where the next stretch begins, None at the end.
    """

    records: Records
    good: NDArray[np.bool_]
    faults: tuple[Fault, ...]
    after: Position | None


def load(
    file: str, position: Position, size_bytes: int, memory: FileMemory, check_for: Features | None = None
) -> Loaded:
    """Frame a stretch of a file, and check that its records are those of `check_for`, if that is given.

    Raises `DataError` when reading fails.
    """
    stretch = Stretch(file, position, size_bytes, memory)
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
        faults = tuple(_faults(file, position.record_index, rows, check_for))
    return Loaded(records, good, (*faults, *stretch.faults), stretch.after)


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


def _faults(file: str, first_index: int, rows: NDArray[np.int64], features: Features) -> Iterator[Fault]:
    for i in np.flatnonzero(rows[:, columns.STATUS] != columns.GOOD).tolist():
        kind, detail = _describe(rows[i], features)
        yield Fault(kind, file, first_index + i, detail)


def _describe(row: NDArray[np.int64], features: Features) -> tuple[str, str]:
    """Kind of a fault, and what was expected and what came."""
    got, mean, unit, place = int(row[columns.GOT]), "", "bytes", f" in frame {row[columns.PLACE]}"
    if features.level == "video":
        mean, unit, place = "mean_", "floats", ""
    lengths = f"{unit} of {mean}{{}}{place}, got {got // features.bytes_per_value}"
    message = "SequenceExample" if features.level == "frame" else "Example"
    return {
        columns.CRC: ("data CRC", "the bytes do not have the checksum that was stored with them"),
        columns.BROKEN: ("malformed", f"expected a serialized tf.train.{message}, got other bytes"),
        columns.NO_ID: ("missing id", "expected a bytes feature id, got none"),
        columns.NO_RGB: ("missing features", f"expected {mean}rgb, got none"),
        columns.NO_AUDIO: ("missing features", f"expected {mean}audio, got none"),
        columns.NO_FRAMES: ("no frames", "expected at least one frame, got none"),
        columns.RGB_LENGTH: ("feature length", f"expected {features.rgb} {lengths.format('rgb')}"),
        columns.AUDIO_LENGTH: ("feature length", f"expected {features.audio} {lengths.format('audio')}"),
        columns.UNEQUAL: (
            "unequal lengths",
            f"expected as many audio as rgb frames ({row[columns.FRAMES]}), got {got}",
        ),
        columns.LABEL: ("label", f"expected labels from 0 to {features.classes - 1}, got {got}"),
        columns.NOT_FINITE: ("not finite", "expected finite values, got NaN or infinity"),
    }[int(row[columns.STATUS])]


def _concatenate(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([_NOTHING, *parts])  # there may be no parts
