"""One pass over all records, file by file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from sweep.data.blocks import Block, Span, count
from sweep.data.framing import Position
from sweep.data.mapping import FileMemory
from sweep.data.records import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sweep.data.faults import Faults
    from sweep.data.features import Features


def ordered_spans(
    files: Sequence[str], features: Features, faults: Faults, *, buffer_bytes: int
) -> Iterator[Span[Block]]:
    """All good records in the order of the files, a stretch of `buffer_bytes` at a time; the next is read meanwhile.

    Raises `DataError` when too many records are faulty, or when none is good.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="stretch") as pool:
        place: tuple[int, Position] | None = (0, Position())
        memory = FileMemory()
        loading = pool.submit(load, files[0], Position(), buffer_bytes, features, memory)
        while place is not None:
            loaded = loading.result()
            place = _next_place(place, loaded.after, len(files))
            if place is not None:
                loading = pool.submit(load, files[place[0]], place[1], buffer_bytes, features, memory)
            count([loaded], faults)
            faults.check(complete=place is None)
            records = loaded.records
            yield Span(Block(records, np.arange(len(records))), 0, len(records))


def _next_place(place: tuple[int, Position], after: Position | None, files: int) -> tuple[int, Position] | None:
    if after is not None:
        return place[0], after
    return (place[0] + 1, Position()) if place[0] + 1 < files else None
