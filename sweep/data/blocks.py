"""Blocks of records in the order in which they are served, and cutting them into batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from sweep.data.faults import Faults
    from sweep.data.records import Loaded, Records


@dataclass(frozen=True)
class Block:
    """Records, served in the order of `rows` int64 [records]."""

    records: Records
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


B = TypeVar("B", bound=Block)
B_co = TypeVar("B_co", bound=Block, covariant=True)


class Span(NamedTuple, Generic[B_co]):
    """The records start … stop-1 of a block, in its order."""

    block: B_co
    start: int
    stop: int


def count(loaded: Iterable[Loaded], faults: Faults) -> None:
    """Add good and faulty records to the counts."""
    for part in loaded:
        faults.good(len(part.records))
        for fault in part.faults:
            faults.add(*fault)


def cut(spans: Iterable[Span[B]], batch_size: int) -> Iterator[list[Span[B]]]:
    """Cut a series of spans into batches of `batch_size` records, the last one smaller."""
    batch: list[Span[B]] = []
    missing = batch_size
    for block, start, stop in spans:
        at = start
        while at < stop:
            taken = min(missing, stop - at)
            batch.append(Span(block, at, at + taken))
            at, missing = at + taken, missing - taken
            if missing == 0:
                yield batch
                batch, missing = [], batch_size
    if batch:
        yield batch
