"""Windows of records, one after the other: shuffled, endless and resumable for training, in order for evaluation.

The files of an epoch are taken in its order, up to 16 at a time in training and one in evaluation (the lanes). A window
is the next stretch of every lane; in training its records are shuffled. A lane whose file has ended takes the next file
of the epoch. So a window of training mixes 16 files, every good record comes exactly once an epoch, and the order
depends on the seed and the files only.

Loading a window finds where its records begin and end, and touches nothing else: they are checked when they are
gathered, in the one pass over their bytes. Until then all count as good. Where one turns out not to be, the stream goes
back to its batch and has the window checked whole before any of it is served; so it does beforehand while the faults so
far let it expect that going back would cost more.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapsack.sweep.data.storage.files import sizes_bytes
from gapsack.sweep.data.storage.mapping import FileMemory
from gapsack.sweep.data.stream.blocks import Span, Window
from gapsack.sweep.data.stream.places import Lane, Place, WindowStart
from gapsack.sweep.data.tfrecord.framing import Position
from gapsack.sweep.data.tfrecord.records import Loaded, join, load

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence, Set

    from gapsack.sweep.data.faults import Faults
    from gapsack.sweep.data.features import Features
    from gapsack.sweep.data.stream.order import Order

_CHECK_COST = 1 / 3  # of gathering; checking again what is gathered later costs so much


class _Loading(NamedTuple):
    """A window on its way: where it begins, whether it is checked, and its stretches."""

    start: WindowStart
    checked: bool
    stretches: Sequence[Future[Loaded]]

    def result(self) -> list[Loaded]:
        """The stretches, when all are there."""
        return [stretch.result() for stretch in self.stretches]


class Windows:
    """Windows of at most about `buffer_bytes` (one record a lane at least).

    `lost_records`: about how many are gathered in vain when the stream goes back; it decides what is checked before.
    """

    def __init__(
        self,
        files: Sequence[str],
        features: Features,
        faults: Faults,
        order: Order,
        *,
        buffer_bytes: int,
        lost_records: int,
    ) -> None:
        self._files, self._features, self._faults, self._order = files, features, faults, order
        self._lanes = min(order.lanes, len(files))
        self._memory = FileMemory()
        self._stretch_bytes = max(buffer_bytes // self._lanes, 1)
        self._lost_records = lost_records
        self._file_bytes: dict[int, int] = {}  # of files that were opened, and then of all where that is asked

    def first(self) -> Place:
        """Where reading begins."""
        return Place(self._begin_epoch(0), 0, 0, checked=False)

    def spans(self, place: Place, doubtful: Set[tuple[int, int]], threads: int) -> Generator[Span]:
        """All that follows a place; while one window is served the next is being read.

        `doubtful`: keys of the windows that are to be checked. The counts of faults go on from those of the place, so
        that a resumed stream ends where an undisturbed one would. Raises `DataError` when too many records are faulty,
        or when a whole epoch has no good one.
        """
        self._faults.restore(place.start.counted)
        row = place.row
        with ThreadPoolExecutor(threads, thread_name_prefix="window") as pool:
            loading: _Loading | None = self._load(place.start, pool, check=place.checked or place.start.key in doubtful)
            try:
                while loading is not None:
                    start, checked, parts = loading.start, loading.checked, loading.result()
                    after = self._count(start, parts)
                    loading = None
                    if after.epoch == start.epoch or self._order.endless:
                        loading = self._load(after, pool, check=after.key in doubtful)
                    window = self._window(start, after, parts, checked=checked)
                    yield Span(window, int(np.searchsorted(window.places, row)), len(window))
                    row = 0
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _load(self, start: WindowStart, pool: ThreadPoolExecutor, *, check: bool) -> _Loading:
        check = check or self._expects_faults(start)
        features = self._features if check else None
        stretches = [
            pool.submit(
                load,
                self._files[lane.file],
                lane.position,
                self._stretch_bytes,
                self._memory,
                features,
                file_bytes=self._file_bytes.get(lane.file),
            )
            for lane in start.lanes
        ]
        return _Loading(start, check, stretches)

    def _expects_faults(self, start: WindowStart) -> bool:
        """Whether checking a record costs less than what is lost, on average, for not having checked it.

        It depends on nothing but `start`, so that a stream that is resumed ends at the same batch.
        """
        faulty = sum(start.counted["faulty"].values())
        return bool(faulty * self._lost_records > _CHECK_COST * (faulty + start.counted["good"]))

    def _count(self, start: WindowStart, parts: Sequence[Loaded]) -> WindowStart:
        """Count what the window at `start` holds; where the next one begins."""
        after = self._advance(start, parts)
        for lane, part in zip(start.lanes, parts, strict=True):
            self._file_bytes[lane.file] = part.file_bytes
            self._faults.good(int(part.good.sum()), part.good_bytes)
            for fault in part.faults:
                self._faults.add(*fault)
        self._faults.check(complete=after.epoch > start.epoch, ahead_bytes=lambda: self._ahead_bytes(after))
        return after._replace(counted=self._faults.state())

    def _ahead_bytes(self, place: WindowStart) -> int:
        """Bytes of the files of an epoch that lie after a place."""
        missing = [file for file in range(len(self._files)) if file not in self._file_bytes]
        found = sizes_bytes([self._files[file] for file in missing])
        self._file_bytes.update(zip(missing, found, strict=True))
        in_lanes = sum(self._file_bytes[lane.file] - lane.position.offset for lane in place.lanes)
        return in_lanes + sum(self._file_bytes[file] for file in self._file_order(place.epoch)[place.taken :])

    def _window(self, start: WindowStart, after: WindowStart, parts: Sequence[Loaded], *, checked: bool) -> Window:
        records = join([part.records for part in parts])
        rows = self._order.rows(*start.key, len(records))
        places = np.flatnonzero(np.concatenate([part.good for part in parts])[rows])
        files = tuple(self._files[lane.file] for lane in start.lanes)
        return Window(records, rows[places], places, checked, start, after, files)

    def _begin_epoch(self, epoch: int) -> WindowStart:
        lanes = tuple(Lane(file, Position()) for file in self._file_order(epoch)[: self._lanes])
        return WindowStart(epoch, 0, len(lanes), lanes, self._faults.state())

    def _advance(self, start: WindowStart, parts: Sequence[Loaded]) -> WindowStart:
        order, taken = self._file_order(start.epoch), start.taken
        lanes = []
        for lane, part in zip(start.lanes, parts, strict=True):
            if part.after is not None:
                lanes.append(Lane(lane.file, part.after))
            elif taken < len(order):
                lanes.append(Lane(order[taken], Position()))
                taken += 1
        if not lanes:
            return self._begin_epoch(start.epoch + 1)
        return WindowStart(start.epoch, start.window + 1, taken, tuple(lanes), start.counted)

    def _file_order(self, epoch: int) -> Sequence[int]:
        return self._order.files(epoch, len(self._files))
