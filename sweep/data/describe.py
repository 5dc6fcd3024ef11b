"""What npz files say of themselves: inputs and their shapes, classes, kinds of labels, numbers of items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.sweep.data.array_files import opened_npz
from gapsack.sweep.data.table import LABELS, RESERVED, Kind, is_input
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.npz import NpzArchive


def described(files: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is not `given` of `inputs`, `labels` and `classes`, as the files say it.

    Inputs and labels are those of the first file: every array but `labels` and `ids` is an input; labels that are true
    or false are binary, whole numbers are classes that exclude each other, and a matrix is multi-label. The classes of
    whole numbers are as many as the highest one in any file says.

    Raises:
        DataError: a file cannot be read, or has arrays that can be neither.
    """
    found: dict[str, Any] = {}
    with opened_npz(files[0]) as first:
        if "inputs" not in given:
            found["inputs"] = _inputs(first)
        if "labels" not in given:
            found["labels"] = "binary" if given.get("classes") == 1 else _kind(first)
        if "classes" not in given:
            kind = given.get("labels", found.get("labels"))
            if kind != "multi_class":
                found["classes"] = 1 if kind == "binary" else _width(first)
    if "classes" not in {**given, **found}:
        found["classes"] = max(2, *(_highest(file) + 1 for file in files))
    return found


def item_counts(files: Sequence[str], name: str) -> list[int]:
    """Items of each file, as the header of one of its arrays says."""
    counts = []
    for file in files:
        with opened_npz(file) as archive:
            shape, _ = archive.header(name)
            if not shape:
                raise DataError(f"{file}: expected [items, ...] in the array {name}, got a single value")
            counts.append(shape[0])
    return counts


def _inputs(archive: NpzArchive) -> dict[str, list[int]]:
    inputs = {}
    for name in archive.names:
        if name in RESERVED:
            continue
        shape, dtype = archive.header(name)
        if not shape or not is_input(dtype):
            raise DataError(
                f"{archive.path}: expected floats, or integers of at most 16 bits, [items, ...], in every array but "
                f"{' and '.join(RESERVED)}, got {dtype} {list(shape)} in {name}; data.inputs may name those that count"
            )
        inputs[name] = list(shape[1:])
    if not inputs:
        raise DataError(f"{archive.path}: expected arrays beside {' and '.join(RESERVED)}, got none")
    return inputs


def _kind(archive: NpzArchive) -> Kind:
    shape, dtype = archive.header(LABELS)
    if len(shape) == 2 and shape[1] > 1 and dtype.kind in "biu":
        return "multi_label"
    if shape and shape[1:] in ((), (1,)) and dtype.kind in "biu":
        return "binary" if dtype.kind == "b" else "multi_class"
    raise DataError(
        f"{archive.path}: expected true and false or whole numbers, [items] or [items, classes], in the array "
        f"{LABELS}, got {dtype} {list(shape)}"
    )


def _width(archive: NpzArchive) -> int:
    shape, _ = archive.header(LABELS)
    if len(shape) != 2:
        raise DataError(f"{archive.path}: expected [items, classes] in the array {LABELS}, got {list(shape)}")
    return shape[1]


def _highest(file: str) -> int:
    with opened_npz(file) as archive:
        shape, dtype = archive.header(LABELS)
        if dtype.kind not in "iu":
            raise DataError(f"{file}: expected whole numbers in the array {LABELS}, got {dtype} {list(shape)}")
        labels: NDArray[Any] = archive[LABELS]
        return int(labels.max()) if labels.size else np.iinfo(np.int8).min
