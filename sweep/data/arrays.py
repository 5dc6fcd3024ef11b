"""Arrays of one's own, in npz files, as a data set of the task `dense`.

The arrays lie in memory: a stream reads its files when it begins, checks every item once, and serves copies of rows. So
an item's place in the order depends on nothing but the files, the seed and the batch's number.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

import numpy as np

from gapsack.sweep.data.batch import Items
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.parts import part_of
from gapsack.sweep.data.storage.files import is_local
from gapsack.sweep.data.table import Columns, ItemTable, read_table, refuse_repeated
from gapsack.sweep.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORM = "arrays/1"
"""Of what `training` resumes from."""


class Arrays:
    """Npz files of items; see `dataset.Dataset`. A name may be that of a part of a file (`parts`).

    What was read stays in memory for as long as the data set is used, and is shared by all that read the same files.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._tables: dict[tuple[str, bool], ItemTable] = {}

    @classmethod
    def of_task(cls, task: Mapping[str, Any]) -> Arrays:
        """The files of a dense task, from its plain values."""
        return cls(Columns.of_task(task))

    @property
    def classes(self) -> int:
        """Columns of `labels`."""
        return self._columns.classes

    def training(
        self,
        files: Sequence[str],
        *,
        batch_size: int,
        sample_frames: int,
        whole: bool,
        seed: int,
        faults: Faults,
        resume: dict[str, Any] | None = None,
    ) -> ArrayBatches:
        """Endless batches of `batch_size` items, every good one once an epoch, in an order of each epoch's own.

        Raises:
            DataError: a file cannot be read, too many items are faulty, or `resume` is of other files, sizes or seed.
        """
        del sample_frames, whole  # there are no frames
        if seed < 0:
            raise ConfigError(f"The seed of the training data is at least 0, got {seed}.")
        items = self._items(files, batch_size, faults, labelled=True)
        names = "\n".join(PurePath(file).name for file in files)
        series = {
            "form": FORM,
            "files": hashlib.sha256(names.encode()).hexdigest(),
            "columns": repr(self._columns),
            "items": len(items),
            "batch_size": batch_size,
            "seed": seed,
        }
        if resume is not None:
            theirs = resume.get("series", {})
            if changed := [name for name, value in series.items() if theirs.get(name) != value]:
                raise DataError(f"Reading resumes only with what it began with, got other {', '.join(changed)}.")
        first = 0 if resume is None else int(resume["batch"])

        def batch(number: int) -> Items:
            return items.batch(
                _drawn(number * batch_size, batch_size, len(items), seed),
                resume={"series": series, "batch": number + 1},
            )

        return ArrayBatches(batch, first, None)

    def evaluation(
        self, files: Sequence[str], *, batch_size: int, sample_frames: int, whole: bool, faults: Faults
    ) -> ArrayBatches:
        """One pass in the order of the files, the last batch smaller; errors as for `training`."""
        del sample_frames, whole
        return self._in_order(files, batch_size, faults, labelled=True)

    def raw(self, files: Sequence[str], *, batch_size: int, faults: Faults) -> ArrayBatches:
        """As `evaluation`; files may be without labels, which are all false then."""
        return self._in_order(files, batch_size, faults, labelled=False)

    def _in_order(self, files: Sequence[str], batch_size: int, faults: Faults, *, labelled: bool) -> ArrayBatches:
        items = self._items(files, batch_size, faults, labelled=labelled)

        def batch(number: int) -> Items:
            first = number * batch_size
            return items.batch(np.arange(first, min(first + batch_size, len(items))))

        return ArrayBatches(batch, 0, -(-len(items) // batch_size))

    def _items(self, files: Sequence[str], batch_size: int, faults: Faults, *, labelled: bool) -> _Items:
        """The good items of all files; what is wrong with the others is in `faults`, from wherever a stream goes on."""
        if not files:
            raise DataError("A reader needs at least one data file, got none.")
        if batch_size < 1:
            raise ConfigError(f"batch_size is at least 1, got {batch_size}.")
        counted = Faults(faults.max_share)
        tables, rows = [], []
        for name in files:
            part = part_of(name)
            table = self._table(part.file, labelled=labelled)
            own = part.rows(len(table.ids))
            good = table.good[own]
            counted.good(int(good.sum()))
            faulty = set(own[~good].tolist())
            for fault in table.faults:
                if fault.record_index in faulty:
                    counted.add(*fault)
            tables.append(table)
            rows.append(own[good])
        faults.restore(counted.state())
        faults.check(complete=True)
        return _Items(self._columns, tables, rows)

    def _table(self, file: str, *, labelled: bool) -> ItemTable:
        if (file, labelled) not in self._tables:
            self._tables[file, labelled] = _shared(file, self._columns, labelled=labelled)
        return self._tables[file, labelled]


class ArrayBatches:
    """Batches made by number, one when it is asked for; see `dataset.Batches`.

    Args:
        make: A batch from its number.
        first: The first batch's.
        stop: That beyond the last; None for no end.
    """

    def __init__(self, make: Callable[[int], Items], first: int, stop: int | None) -> None:
        self._make, self._next, self._stop = make, first, stop
        self._waited_seconds = 0.0

    @property
    def wait_seconds(self) -> float:
        """Seconds that were spent on making batches."""
        return self._waited_seconds

    def __next__(self) -> Items:
        if self._stop is not None and self._next >= self._stop:
            raise StopIteration
        began = time.perf_counter()
        batch = self._make(self._next)
        self._next += 1
        self._waited_seconds += time.perf_counter() - began
        return batch

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = 0


class _Items:
    """Rows of several tables, in one order: those of the first, then those of the second."""

    def __init__(self, columns: Columns, tables: Sequence[ItemTable], rows: Sequence[NDArray[np.int64]]) -> None:
        self._columns, self._tables = columns, tables
        self._table = np.repeat(np.arange(len(tables)), [len(own) for own in rows])
        self._row = np.concatenate(rows)
        self._ids = np.concatenate([table.ids[own] for table, own in zip(tables, rows, strict=True)])
        if len(tables) > 1:
            refuse_repeated(self._ids, "data files (a file without ids gives its name and a number)")

    def __len__(self) -> int:
        return len(self._row)

    def batch(self, places: NDArray[np.int64], resume: dict[str, Any] | None = None) -> Items:
        """The items at some places, in this order."""
        tables, rows = self._table[places], self._row[places]
        inputs = {name: np.empty((len(places), *shape), np.float32) for name, shape in self._columns.inputs}
        labels = np.empty((len(places), self._columns.classes), np.bool_)
        for index in np.unique(tables).tolist():
            here, table = tables == index, self._tables[index]
            for name, array in inputs.items():
                array[here] = table.inputs[name][rows[here]]
            labels[here] = table.truth(rows[here], self._columns.classes)
        return Items(self._ids[places], inputs, labels, resume)


def _drawn(first: int, count: int, items: int, seed: int) -> NDArray[np.int64]:
    """Places first … first+count-1 of the endless series of shuffled epochs."""
    places = []
    while count > 0:
        epoch, at = divmod(first, items)
        places.append(_epoch(seed, epoch, items)[at : at + count])
        first, count = first + len(places[-1]), count - len(places[-1])
    return np.concatenate(places)


@lru_cache(maxsize=2)  # every batch asks
def _epoch(seed: int, epoch: int, items: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(items)


_TABLES: WeakValueDictionary[tuple[Any, ...], ItemTable] = WeakValueDictionary()


def _shared(file: str, columns: Columns, *, labelled: bool) -> ItemTable:
    """The table of a file, which a data set of another stream may have read already."""
    if not is_local(file):
        return read_table(file, columns, labelled=labelled)
    try:
        about = os.stat(file)  # noqa: PTH116  (paths are text here)
    except OSError:
        return read_table(file, columns, labelled=labelled)  # which says what is wrong
    key = (file, about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, columns, labelled)
    table = _TABLES.get(key)
    if table is None:
        table = _TABLES[key] = read_table(file, columns, labelled=labelled)
    return table
