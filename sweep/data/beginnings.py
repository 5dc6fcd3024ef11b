"""What the beginnings of files tell: whether they can be read, and hold records as they should be, before training."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from gapsack.sweep.data.storage.files import THREADS
from gapsack.sweep.data.storage.mapping import FileMemory
from gapsack.sweep.data.tfrecord.framing import Position
from gapsack.sweep.data.tfrecord.records import load

if TYPE_CHECKING:
    from gapsack.sweep.data.faults import Fault, Faults
    from gapsack.sweep.data.features import Features

SECOND_LOOK_BYTES = 2**20
"""Of a file whose first record is faulty: a file of which all of these are is taken to be so to its end."""


@runtime_checkable
class Inspectable(Protocol):
    """A data set that can look at the beginnings of its files; see `dataset.Dataset`."""

    def inspect(self, files: Sequence[str], faults: Faults) -> None:
        """Count the records that the files seem to hold, and the files that seem to hold none that can be used.

        Raises:
            DataError: a file cannot be opened or read.
        """


class _Look(NamedTuple):
    """What the beginning of a file told: its size, good records and their bytes, and the fault that none is without."""

    file_bytes: int
    good: int
    good_bytes: int
    fault: Fault | None


def inspect_files(files: Sequence[str], features: Features, faults: Faults) -> None:
    """`Inspectable.inspect` of TFRecord files."""
    memory = FileMemory(kept_bytes=0)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="inspect") as pool:
        looks = list(pool.map(partial(_look, features=features, memory=memory), files))
    good, good_bytes = sum(look.good for look in looks), sum(look.good_bytes for look in looks)
    faults.good(good, good_bytes)
    for look in looks:
        if look.fault is not None:
            # Of a file that begins with nothing of use, all is lost.
            faults.add(*look.fault._replace(lost_bytes=look.file_bytes))
        elif good_bytes:
            rest = look.file_bytes - look.good_bytes
            faults.good(round(rest * good / good_bytes))


def _look(file: str, features: Features, memory: FileMemory) -> _Look:
    """One record; where it is faulty, some more."""
    for size_bytes in (1, SECOND_LOOK_BYTES):
        found = load(file, Position(), size_bytes, memory, features)
        good = int(found.good.sum())
        if good or found.file_bytes == 0:
            break
    return _Look(found.file_bytes, good, found.good_bytes, None if good else next(iter(found.faults), None))
