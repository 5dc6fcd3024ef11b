"""The names of a record's features: for the sentence that says which one was expected and which there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gapsack.sweep.data.tfrecord.wire import DELIMITED, find_message, read_field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHOWN = 12
_LETTERS = 40


def names_there(data: NDArray[np.uint8]) -> str:
    """In words, which features a serialized `Example` or `SequenceExample` has, uint8 [bytes]."""
    parts = []
    for number, what in ((1, "features"), (2, "lists of frames")):
        start, stop = find_message(data, 0, data.size, number)
        names = sorted(_names(data, start, stop)) if start >= 0 else []
        if names:
            more = ", …" if len(names) > _SHOWN else ""
            parts.append(f"{what} there: {', '.join(names[:_SHOWN])}{more}")
    return "; ".join(parts) or "no features there"


def _names(data: NDArray[np.uint8], at: int, stop: int) -> Iterator[str]:
    """The keys of a map (repeated field 1 of key = 1, value = 2), as far as it can be read."""
    while at < stop:
        field, wire, start, at = read_field(data, at, stop)
        if at < 0:
            return
        if field == 1 and wire == DELIMITED:
            key, key_stop = find_message(data, start, at, 1)
            if key >= 0:
                text = data[key:key_stop].tobytes().decode("utf-8", "backslashreplace")[:_LETTERS]
                yield text if text.isprintable() else ascii(text)
