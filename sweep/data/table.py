"""The items of one npz file, checked: inputs by name, labels, ids; which of them are faulty, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from gapsack.sweep.data.array_files import opened_npz
from gapsack.sweep.data.faults import Fault
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.npz import NpzArchive

Kind = Literal["multi_label", "multi_class", "binary"]

LABELS, IDS = "labels", "ids"
RESERVED = (LABELS, IDS)
"""Arrays that are no inputs."""

LABEL_FORMS = {
    "multi_label": "true and false, or 1 and 0, [items, classes]",
    "multi_class": "whole numbers, [items]",
    "binary": "true and false, or 1 and 0, [items]",
}
_NO_CLASS = -1
_SHOWN = 3


class Columns(NamedTuple):
    """What a file of arrays holds: the shape of one item of each input, and what its labels are."""

    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    classes: int
    labels: Kind

    @classmethod
    def of_task(cls, task: Mapping[str, Any]) -> Columns:
        """Those of a dense task, from its plain values."""
        inputs = tuple((name, tuple(shape)) for name, shape in task["inputs"].items())
        return cls(inputs, task["classes"], task["labels"])


@dataclass(frozen=True)
class ItemTable:
    """Items of a file, in its order.

    Attributes:
        inputs: float32 [items, ...] by name.
        labels: Int64 [items] of classes that exclude each other, -1 where none is known; else bool [items, classes].
        ids: Text [items].
        good: Bool [items].
        faults: One for each item that is not good.
    """

    inputs: Mapping[str, NDArray[np.float32]]
    labels: NDArray[Any]
    ids: NDArray[np.str_]
    good: NDArray[np.bool_]
    faults: tuple[Fault, ...] = field(repr=False)

    def truth(self, rows: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
        """Dense labels of some items, bool [rows, classes]."""
        chosen = self.labels[rows]
        dense: NDArray[np.bool_] = chosen if chosen.ndim > 1 else chosen[:, np.newaxis] == np.arange(classes)
        return dense


def read_table(path: str, columns: Columns, *, labelled: bool) -> ItemTable:
    """The items of an npz file; with `labelled` it must have labels, without it need not.

    Raises:
        DataError: it is no npz file, lacks an array, or one has another shape, type or length than the others say; ids
            repeat.
    """
    with opened_npz(path) as archive:
        _refuse_missing(archive, columns, labelled=labelled)
        inputs = {name: _input(archive, name, shape) for name, shape in columns.inputs}
        count = len(next(iter(inputs.values())))
        labels = _labels(archive, columns) if LABELS in archive.names else None
        ids = _ids(archive) if IDS in archive.names else _made_ids(path, count)
    arrays = {**inputs, IDS: ids} if labels is None else {**inputs, LABELS: labels, IDS: ids}
    if any(len(array) != count for array in arrays.values()):
        raise _other_lengths(path, {name: len(array) for name, array in arrays.items()})
    refuse_repeated(ids, path)
    faults = {fault.record_index: fault for fault in _not_finite(path, inputs)}
    if labels is None:
        labels = _no_labels(count, columns)
    else:
        faults |= {fault.record_index: fault for fault in _wrong_labels(path, labels, columns)}
    good = np.ones(count, np.bool_)
    good[list(faults)] = False
    kept = labels.astype(np.int64) if columns.labels == "multi_class" else labels == 1
    return ItemTable(inputs, kept, ids, good, tuple(faults[row] for row in sorted(faults)))


def check_headers(path: str, columns: Columns) -> None:
    """Hold a labelled file's names, shapes and types against what is expected, without reading its arrays.

    Raises:
        DataError: as for `read_table`, as far as headers tell.
    """
    with opened_npz(path) as archive:
        _refuse_missing(archive, columns, labelled=True)
        for name, shape in columns.inputs:
            _check_input(archive, name, shape)
        _check_labels(archive, columns)
        if IDS in archive.names:
            _check_ids(archive)
        names = [name for name in archive.names if name in {*RESERVED, *dict(columns.inputs)}]
        lengths = {name: archive.header(name)[0][0] for name in names}
    if len(set(lengths.values())) > 1:
        raise _other_lengths(path, lengths)


def refuse_repeated(ids: NDArray[np.str_], where: str) -> None:
    """Raise DataError where an id stands twice."""
    unique, counts = np.unique(ids, return_counts=True)
    repeated = unique[counts > 1]
    if repeated.size:
        more = f" and {repeated.size - _SHOWN} more" if repeated.size > _SHOWN else ""
        raise DataError(f"{where}: expected every id once, got {', '.join(repeated[:_SHOWN])}{more} again")


def is_input(dtype: np.dtype[Any]) -> bool:
    """Whether an array of this type can be an input: floats, and integers that float32 holds exactly."""
    return dtype.kind in "bf" or (dtype.kind in "iu" and dtype.itemsize <= 2)


def _refuse_missing(archive: NpzArchive, columns: Columns, *, labelled: bool) -> None:
    wanted = [name for name, _ in columns.inputs] + ([LABELS] if labelled else [])
    if missing := [name for name in wanted if name not in archive.names]:
        raise DataError(
            f"{archive.path}: expected the arrays {', '.join(wanted)}, got no {', '.join(missing)} among "
            f"{', '.join(archive.names) or 'none'}"
        )


def _other_lengths(path: str, lengths: Mapping[str, int]) -> DataError:
    found = ", ".join(f"{count} in {name}" for name, count in lengths.items())
    return DataError(f"{path}: expected as many items in every array, got {found}")


def _input(archive: NpzArchive, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    _check_input(archive, name, shape)
    with np.errstate(over="ignore"):  # what is too large for float32 is told as not finite
        return np.ascontiguousarray(archive[name], np.float32)


def _check_input(archive: NpzArchive, name: str, shape: tuple[int, ...]) -> None:
    found, dtype = archive.header(name)
    if not found or found[1:] != shape:
        raise _unexpected(archive, name, f"the shape [{', '.join(map(str, ('items', *shape)))}]", list(found))
    if not is_input(dtype):
        raise _unexpected(archive, name, "floats, or integers of at most 16 bits", dtype)


def _labels(archive: NpzArchive, columns: Columns) -> NDArray[Any]:
    """Labels as the file has them: [items] of classes that exclude each other, else [items, classes]."""
    _check_labels(archive, columns)
    labels = archive[LABELS]
    return labels.reshape(len(labels)) if columns.labels == "multi_class" else labels.reshape(-1, columns.classes)


def _check_labels(archive: NpzArchive, columns: Columns) -> None:
    shape, dtype = archive.header(LABELS)
    form = f"{LABEL_FORMS[columns.labels]}, for {columns.labels} labels of {columns.classes}"
    if dtype.kind not in ("iu" if columns.labels == "multi_class" else "biu"):
        raise _unexpected(archive, LABELS, form, dtype)
    if not shape or shape[1:] not in ([(columns.classes,)] if columns.labels == "multi_label" else [(), (1,)]):
        raise _unexpected(archive, LABELS, form, list(shape))


def _no_labels(count: int, columns: Columns) -> NDArray[Any]:
    if columns.labels == "multi_class":
        return np.full(count, _NO_CLASS)
    return np.zeros((count, columns.classes), np.bool_)


def _check_ids(archive: NpzArchive) -> None:
    shape, dtype = archive.header(IDS)
    if len(shape) != 1 or dtype.kind not in "USiu":
        raise _unexpected(archive, IDS, "texts or whole numbers, [items]", f"{dtype} {list(shape)}")


def _ids(archive: NpzArchive) -> NDArray[np.str_]:
    _check_ids(archive)
    ids = archive[IDS]
    if ids.dtype.kind != "S":
        return ids.astype(np.str_)
    return np.array([each.decode("utf-8", "backslashreplace") for each in ids.tolist()], np.str_)


def _made_ids(path: str, count: int) -> NDArray[np.str_]:
    """Where a file has none: its name and the number of the item."""
    stem = PurePath(path).stem
    return np.array([f"{stem}-{row}" for row in range(count)], np.str_)


def _wrong_labels(path: str, labels: NDArray[Any], columns: Columns) -> Iterator[Fault]:
    highest = columns.classes - 1 if columns.labels == "multi_class" else 1
    by_item = labels.reshape(len(labels), -1)
    outside = (by_item < 0) | (by_item > highest)
    for row in np.flatnonzero(outside.any(axis=1)).tolist():
        got = by_item[row][outside[row]][0]
        yield Fault("label", path, row, f"expected labels from 0 to {highest}, got {got}")


def _not_finite(path: str, inputs: Mapping[str, NDArray[np.float32]]) -> Iterator[Fault]:
    for name, array in inputs.items():
        finite = np.isfinite(array.reshape(len(array), math.prod(array.shape[1:]))).all(axis=1)
        for row in np.flatnonzero(~finite).tolist():
            yield Fault("not finite", path, row, f"expected finite values in {name}, got NaN or infinity")


def _unexpected(archive: NpzArchive, name: str, expected: str, got: object) -> DataError:
    return DataError(f"{archive.path}: expected {expected} in the array {name}, got {got}")
