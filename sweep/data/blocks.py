"""Blocks of records in the order in which they are served, and cutting them into batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np

from sweep.data.gather import Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from sweep.data.faults import Faults
    from sweep.data.records import Records


@dataclass(frozen=True)
class Block:
    """Records of some stretches, served in the order (part_of[i], row_of[i]); both int64 [records]."""

    parts: Sequence[Records]
    part_of: NDArray[np.int64]
    row_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.part_of)


B = TypeVar("B", bound=Block)


class Span(NamedTuple, Generic[B]):
    """The records start … stop-1 of a block, in its order."""

    block: B
    start: int
    stop: int


def count(parts: Sequence[Records], faults: Faults) -> None:
    """Add the good and the faulty records of the parts to the counts."""
    for part in parts:
        faults.good(len(part))
        for fault in part.faults:
            faults.add(*fault)


def in_order(parts: Sequence[Records]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every record of the parts, one part after the other: (part_of, row_of)."""
    sizes = [len(part) for part in parts]
    part_of = np.repeat(np.arange(len(parts), dtype=np.int64), sizes)
    row_of = np.concatenate([np.arange(size, dtype=np.int64) for size in sizes] or [np.empty(0, np.int64)])
    return part_of, row_of


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


def pieces(batch: Sequence[Span[B]]) -> tuple[list[Piece], int]:
    """The rows of each part that a batch takes, with their places in it; and the batch's size."""
    found, first = [], 0
    for block, start, stop in batch:
        part_of, row_of = block.part_of[start:stop], block.row_of[start:stop]
        for part in np.unique(part_of):
            here = np.flatnonzero(part_of == part)
            found.append(Piece(block.parts[part], row_of[here], here + first))
        first += stop - start
    return found, first
