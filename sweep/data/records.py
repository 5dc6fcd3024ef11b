"""The usable records of a stretch, and sentences for the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sweep.data import survey as columns
from sweep.data.faults import Fault
from sweep.data.framing import Position, Stretch
from sweep.data.survey import collect_labels, survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sweep.data.buffers import Buffers
    from sweep.data.features import Features


_NO_PLACES = np.empty(0, np.int64)
_NOTHING = (_NO_PLACES, np.empty((0, columns.COLUMNS), np.int64), _NO_PLACES, _NO_PLACES)


@dataclass(frozen=True)
class Records:
    """Good records of one stretch: nothing is copied, these say where things lie in `data` (uint8 [bytes]).

    `ids` int64 [n, 2]: spans. `label_ends` int64 [n+1], `labels` int64: those of row i are
    labels[label_ends[i]:label_ends[i+1]]. `frame_ends` int64 [n+1], `rgb_at`, `audio_at` int64 [frames]: likewise,
    where each frame's values begin. `faults`: the records left out. `after`: where the file's next stretch begins,
    None at its end.
    """

    data: NDArray[np.uint8]
    ids: NDArray[np.int64]
    label_ends: NDArray[np.int64]
    labels: NDArray[np.int64]
    frame_ends: NDArray[np.int64]
    rgb_at: NDArray[np.int64]
    audio_at: NDArray[np.int64]
    faults: tuple[Fault, ...]
    after: Position | None

    def __len__(self) -> int:
        return len(self.ids)

    def video_ids(self, rows: NDArray[np.int64]) -> list[str]:
        """Ids of some rows as text; bytes that are not UTF-8 are escaped rather than lost."""
        data = self.data
        return [
            data[start:stop].tobytes().decode("utf-8", "backslashreplace") for start, stop in self.ids[rows].tolist()
        ]


def load(file: str, position: Position, size_bytes: int, features: Features, buffers: Buffers) -> Records:
    """Read a stretch of a file and find id, labels and frames of every record; `DataError` when reading fails."""
    stretch = Stretch(file, position, size_bytes, buffers)
    surveyed = [
        (
            run.record_indices,
            *survey(
                stretch.data,
                run.starts,
                run.stops,
                features.level == "frame",
                features.rgb * features.bytes_per_value,
                features.audio * features.bytes_per_value,
                features.classes,
            ),
        )
        for run in stretch.runs()
    ]
    surveyed = surveyed or [_NOTHING]
    record_indices, rows, rgb_at, audio_at = (np.concatenate(parts) for parts in zip(*surveyed, strict=True))
    usable = rows[:, columns.STATUS] == columns.GOOD
    good = rows[usable]
    label_ends = _ends(good[:, columns.LABELS])
    faults = stretch.faults
    for i in np.flatnonzero(~usable):
        kind, detail = _describe(rows[i], features)
        faults.append(Fault(kind, file, int(record_indices[i]), detail))
    return Records(
        data=stretch.data,
        ids=good[:, [columns.ID_START, columns.ID_STOP]],
        label_ends=label_ends,
        labels=collect_labels(stretch.data, good, label_ends),
        frame_ends=_ends(good[:, columns.FRAMES]),
        rgb_at=rgb_at,
        audio_at=audio_at,
        faults=tuple(sorted(faults, key=lambda fault: fault.record_index)),
        after=stretch.after,
    )


def _describe(row: NDArray[np.int64], features: Features) -> tuple[str, str]:
    """Kind of a fault, and what was expected and what came."""
    got, mean, unit, place = int(row[columns.GOT]), "", "bytes", f" in frame {row[columns.PLACE]}"
    if features.level == "video":
        mean, unit, place = "mean_", "floats", ""
    lengths = f"{unit} of {mean}{{}}{place}, got {got // features.bytes_per_value}"
    message = "SequenceExample" if features.level == "frame" else "Example"
    return {
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


def _ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
