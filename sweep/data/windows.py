"""The endless, shuffled, resumable order of training.

In every epoch the files are taken in an order of its own, up to 16 at a time (the lanes). A window is the next stretch
of every lane; its records are shuffled. A lane whose file has ended takes the next file of the epoch. So a window mixes
16 files, every good record comes exactly once an epoch, and the order depends on the seed and the files only.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sweep.data.blocks import Block, count
from sweep.data.framing import Position
from sweep.data.mapping import FileMemory
from sweep.data.records import Loaded, join, load

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from sweep.data.faults import Faults
    from sweep.data.features import Features

LANES = 16
# Sub-streams of the seed; the third, for frames, is in `reader.py`.
FILE_ORDER, RECORD_ORDER, FRAME_CHOICE = range(3)


class Lane(NamedTuple):
    """A file (its index in the list) and the place in it where reading goes on."""

    file: int
    position: Position


class WindowStart(NamedTuple):
    """Everything that what follows depends on.

    `taken`: how many files of the epoch's order are in lanes or done; `counted`: the state of `Faults` up to here.
    """

    epoch: int
    window: int
    taken: int
    lanes: tuple[Lane, ...]
    counted: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self._asdict(), "lanes": [[lane.file, *lane.position] for lane in self.lanes]}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> WindowStart:
        """The inverse of `to_json`."""
        lanes = tuple(Lane(file, Position(offset, index)) for file, offset, index in plain["lanes"])
        return cls(plain["epoch"], plain["window"], plain["taken"], lanes, plain["counted"])


@dataclass(frozen=True)
class Window(Block):
    """A shuffled block; `start` loads it again, `after` loads the next one."""

    start: WindowStart
    after: WindowStart


class Windows:
    """Windows of at most about `buffer_bytes` (one record a lane at least), by `seed`."""

    def __init__(
        self, files: Sequence[str], features: Features, faults: Faults, *, seed: int, buffer_bytes: int
    ) -> None:
        self._files, self._features, self._faults, self._seed = files, features, faults, seed
        self._lanes = min(LANES, len(files))
        self._memory = FileMemory()
        self._stretch_bytes = max(buffer_bytes // self._lanes, 1)

    def first(self) -> WindowStart:
        """Where training begins."""
        return self._begin_epoch(0)

    def follow(self, start: WindowStart, threads: int) -> Generator[Window]:
        """Windows from `start` on, endless; while one is served the next is being read.

        The counts of faults go on from those in `start`, so that a resumed stream ends where an undisturbed one would.
        Raises `DataError` when too many records are faulty, or when a whole epoch has no good one.
        """
        self._faults.restore(start.counted)
        with ThreadPoolExecutor(threads, thread_name_prefix="window") as pool:
            loading = self._load(start, pool)
            try:
                while True:
                    parts = [future.result() for future in loading]
                    after = self._advance(start, parts)
                    loading = self._load(after, pool)
                    count(parts, self._faults)
                    self._faults.check(complete=after.epoch > start.epoch)
                    after = after._replace(counted=self._faults.state())
                    records = join([part.records for part in parts])
                    yield Window(records, self._shuffle(start, len(records)), start, after)
                    start = after
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, start: WindowStart, pool: ThreadPoolExecutor) -> list[Future[Loaded]]:
        return [
            pool.submit(load, self._files[lane.file], lane.position, self._stretch_bytes, self._features, self._memory)
            for lane in start.lanes
        ]

    def _shuffle(self, start: WindowStart, records: int) -> NDArray[np.int64]:
        return np.random.default_rng((self._seed, RECORD_ORDER, start.epoch, start.window)).permutation(records)

    def _begin_epoch(self, epoch: int) -> WindowStart:
        lanes = tuple(Lane(file, Position()) for file in self._file_order(epoch)[: self._lanes])
        return WindowStart(epoch, 0, len(lanes), lanes, self._faults.state())

    def _advance(self, start: WindowStart, parts: Sequence[Loaded]) -> WindowStart:
        fresh = iter(self._file_order(start.epoch)[start.taken :])
        taken = start.taken
        lanes = []
        for lane, part in zip(start.lanes, parts, strict=True):
            if part.after is not None:
                lanes.append(Lane(lane.file, part.after))
            elif (file := next(fresh, None)) is not None:
                lanes.append(Lane(file, Position()))
                taken += 1
        if not lanes:
            return self._begin_epoch(start.epoch + 1)
        return WindowStart(start.epoch, start.window + 1, taken, tuple(lanes), start.counted)

    def _file_order(self, epoch: int) -> list[int]:
        order: list[int] = np.random.default_rng((self._seed, FILE_ORDER, epoch)).permutation(len(self._files)).tolist()
        return order
