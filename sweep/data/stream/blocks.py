"""Windows of records in the order in which they are served, and cutting them into batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gapsack.sweep.data.stream.places import Place
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from gapsack.sweep.data.stream.places import WindowStart
    from gapsack.sweep.data.tfrecord.records import Records


@dataclass(frozen=True)
class Window:
    """Records, served in the order of `rows` int64 [served]: all of them, or the good ones where they were `checked`.

    `places` int64 [served]: the place of each in the order of all records, whether good or not, which ascends.
    `start` loads the window again, `after` the next one; its records come from `files`.
    """

    records: Records
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    checked: bool
    start: WindowStart
    after: WindowStart
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)


class Span(NamedTuple):
    """The served records start … stop-1 of a window."""

    window: Window
    start: int
    stop: int


class Cut(NamedTuple):
    """The records of one batch, and its number."""

    number: int
    spans: Sequence[Span]

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self.spans)

    def pieces(self) -> Iterator[tuple[Records, NDArray[np.int64], slice]]:
        """For every span: the window's records, rows int64 [n] of them, and where these lie in the batch."""
        first = 0
        for window, start, stop in self.spans:
            yield window.records, window.rows[start:stop], slice(first, first + stop - start)
            first += stop - start

    @property
    def begins(self) -> Place:
        """Where this batch begins."""
        window, start, _ = self.spans[0]
        return Place(window.start, int(window.places[start]), self.number, window.checked)

    @property
    def ends(self) -> Place:
        """Where the next batch begins."""
        window, _, stop = self.spans[-1]
        row = int(window.places[stop - 1]) + 1
        if row == len(window.records):
            return Place(window.after, 0, self.number + 1, checked=False)
        return Place(window.start, row, self.number + 1, window.checked)

    def refuse(self, good: NDArray[np.bool_]) -> None:
        """Raise `RewindError` where a record of the batch is not `good`, bool [records of the batch].

        Raises `DataError` where it was good when its window was checked.
        """
        if good.all():
            return
        pieces = zip(self.spans, self.pieces(), strict=True)
        faulty = [span.window for span, (_, _, at) in pieces if not good[at].all()]
        for window in faulty:
            if window.checked:
                raise DataError(
                    "Data files must stay as they are while they are read, got a record that has changed since it "
                    f"was checked, in one of {', '.join(window.files)}."
                )
        raise RewindError(self.begins, frozenset(window.start.key for window in faulty))


class RewindError(Exception):
    """Faulty records in a batch of windows that nobody has checked: it and what follows have to be cut anew.

    `place`: where the batch begins; `windows`: keys of those to be checked.
    """

    def __init__(self, place: Place, windows: frozenset[tuple[int, int]]) -> None:
        super().__init__(f"faulty records in batch {place.batch}")
        self.place, self.windows = place, windows


def cut(spans: Iterable[Span], batch_size: int, first: int) -> Iterator[Cut]:
    """Cut a series of spans into batches of `batch_size` records, the last one smaller, numbered from `first` on."""
    batch: list[Span] = []
    number, missing = first, batch_size
    for window, start, stop in spans:
        at = start
        while at < stop:
            taken = min(missing, stop - at)
            batch.append(Span(window, at, at + taken))
            at, missing = at + taken, missing - taken
            if missing == 0:
                yield Cut(number, batch)
                batch, number, missing = [], number + 1, batch_size
    if batch:
        yield Cut(number, batch)
