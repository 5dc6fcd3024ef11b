"""The usable records of a stretch, and sentences for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sweep.data import survey as columns
from sweep.data.crc import crc_function
from sweep.data.faults import Fault
from sweep.data.framing import Position, Stretch
from sweep.data.survey import collect_labels, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sweep.data.features import Features
    from sweep.data.framing import Run
    from sweep.data.mapping import FileMemory

_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Records:
    """Good records: nothing is copied, these say at which addresses things lie in `memory`, which they keep alive.

    All int64. `id_at`, `id_bytes` [n]: where each id begins, and its length. `label_ends` [n+1], `labels`: those of
    row i are labels[label_ends[i]:label_ends[i+1]]. `frame_ends` [n+1], `rgb_at`, `audio_at` [frames]: likewise, where
    each frame's values begin.
    """

    memory: tuple[NDArray[np.uint8], ...]
    id_at: NDArray[np.int64]
    id_bytes: NDArray[np.int64]
    label_ends: NDArray[np.int64]
    labels: NDArray[np.int64]
    frame_ends: NDArray[np.int64]
    rgb_at: NDArray[np.int64]
    audio_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.id_at)


class Loaded(NamedTuple):
    """What a stretch held. `faults`: the records left out. `after`: where the next stretch begins, None at the end."""

    records: Records
    faults: tuple[Fault, ...]
    after: Position | None


def load(file: str, position: Position, size_bytes: int, features: Features, memory: FileMemory) -> Loaded:
    """Read a stretch of a file and find id, labels and frames of every record; `DataError` when reading fails."""
    stretch = Stretch(file, position, size_bytes, memory)
    found, faults = list[Records](), list[Fault]()
    for run in stretch.runs():
        rows, rgb_at, audio_at = _survey(stretch.data, run, features)
        bad = np.flatnonzero(rows[:, columns.STATUS] != columns.GOOD)
        for i in bad.tolist():
            kind, detail = _describe(rows[i], features)
            faults.append(Fault(kind, file, run.first_index + i, detail))
        if bad.size:
            rows = np.delete(rows, bad, axis=0)
        found.append(_records(stretch.data, rows, rgb_at, audio_at))
    return Loaded(join(found), (*faults, *stretch.faults), stretch.after)


def join(parts: Sequence[Records]) -> Records:
    """The records of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    memory = {id(piece): piece for part in parts for piece in part.memory}
    return Records(
        tuple(memory.values()),
        _concatenate([part.id_at for part in parts]),
        _concatenate([part.id_bytes for part in parts]),
        _ends(_concatenate([np.diff(part.label_ends) for part in parts])),
        _concatenate([part.labels for part in parts]),
        _ends(_concatenate([np.diff(part.frame_ends) for part in parts])),
        _concatenate([part.rgb_at for part in parts]),
        _concatenate([part.audio_at for part in parts]),
    )


def _survey(
    data: NDArray[np.uint8], run: Run, features: Features
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    rows, rgb_at, audio_at = survey(
        data,
        run.starts,
        run.stops,
        run.crcs,
        crc_function(),
        features.level == "frame",
        features.rgb * features.bytes_per_value,
        features.audio * features.bytes_per_value,
        features.classes,
    )
    return rows, rgb_at, audio_at


def _records(
    data: NDArray[np.uint8], rows: NDArray[np.int64], rgb_at: NDArray[np.int64], audio_at: NDArray[np.int64]
) -> Records:
    first = data.ctypes.data
    label_ends = _ends(rows[:, columns.LABELS])
    return Records(
        memory=(data,),
        id_at=rows[:, columns.ID_START] + first,
        id_bytes=rows[:, columns.ID_STOP] - rows[:, columns.ID_START],
        label_ends=label_ends,
        labels=collect_labels(data, rows, label_ends),
        frame_ends=_ends(rows[:, columns.FRAMES]),
        rgb_at=rgb_at + first,
        audio_at=audio_at + first,
    )


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


def _ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    ends = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=ends[1:])
    return ends
