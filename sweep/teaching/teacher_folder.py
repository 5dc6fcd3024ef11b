"""The folder of a teacher's predictions: four arrays that trainings map into memory, and what they are of.

While it is made, `parts/` holds one file for each data file, so that an interrupted pass goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json, whole_file
from gapsack.selection.npz import read_npz
from gapsack.sweep.data.storage.files import sizes_bytes
from gapsack.sweep.data.storage.guard import map_file
from gapsack.sweep.errors import DataError
from gapsack.sweep.runs.lock import is_locked, locked
from gapsack.sweep.storage.mirrored import bring, shared_place
from gapsack.sweep.teaching.taught_lists import TaughtLists, joined

ARRAYS = ("ids", "classes", "scores", "rest")
SIZE = "size_bytes"
"""In a part: of the data file that it is of."""
MANIFEST = "teacher.json"
PIECE_BYTES = 2**24
AGAIN = "delete the folder, and give sweep teach again"


class TaughtFile(BaseModel):
    """A data file that the teacher has seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size_bytes: NonNegativeInt
    examples: NonNegativeInt


class Manifest(BaseModel):
    """What a folder's predictions are of.

    Attributes:
        format: Of the folder.
        teacher: Digest of the graph, or of the predictions, that they come from.
        class_count: Of the vocabulary.
        top_k: Classes kept of each example.
        files: That were seen.
        mean_listed: Probability that those have together, mean over examples; None in folders of earlier versions.
        mean_rest: Probability that all other classes have together, mean over examples.
        digest: Of the four arrays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    teacher: str
    class_count: PositiveInt
    top_k: PositiveInt
    files: tuple[TaughtFile, ...]
    mean_listed: float | None = None
    mean_rest: float
    digest: str

    @property
    def examples(self) -> int:
        """All of them."""
        return sum(file.examples for file in self.files)

    @property
    def warning(self) -> str:
        """A sentence where most of what a student would learn is that any class may be there; else empty.

        What scores best by ranks need not be calibrated, and a student learns probabilities.
        """
        if self.mean_listed is None or self.mean_rest <= self.mean_listed:
            return ""
        return (
            f"The classes that are not listed have more probability together ({self.mean_rest:.2g}) than the "
            f"{self.top_k} that are ({self.mean_listed:.2g}): this teacher is not calibrated, and its students would "
            "learn that. Choose it by a log loss (select ensemble --metric binary_log_loss)."
        )


@dataclass(frozen=True)
class TeacherFolder:
    """A folder of a teacher's predictions."""

    path: Path

    @property
    def manifest_file(self) -> Path:
        """Written last: with it the folder is complete."""
        return self.path / MANIFEST

    def part(self, name: str) -> Path:
        """Of one data file, while the folder is made."""
        return self.path / "parts" / f"{name}.npz"

    def manifest(self) -> Manifest:
        """What the folder holds.

        Raises:
            DataError: It is no complete folder of predictions.
        """
        values = read_json(self.manifest_file, error=DataError)
        try:
            return Manifest.model_validate(values)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
            raise DataError(f"{self.manifest_file}: expected what `sweep teach` writes, got {wrong}.") from error

    def read(self) -> TaughtLists:
        """The predictions, mapped into memory.

        Raises:
            DataError: An array is missing or damaged, or other ones than the manifest tells of.
        """
        manifest = self.manifest()
        lists = TaughtLists(**{name: self._array(name) for name in ARRAYS})
        if _kinds(lists) != _expected(manifest.examples, manifest.top_k):
            told = ", ".join(f"{name} {kind} {list(shape)}" for name, (kind, shape) in _kinds(lists).items())
            raise DataError(
                f"{self.path}: expected {manifest.examples} examples of {manifest.top_k} classes in its arrays, got "
                f"{told}: {AGAIN}."
            )
        if digest_of_lists(lists) != manifest.digest:
            raise DataError(
                f"{self.path}: expected the arrays that `sweep teach` wrote, got others, or damaged ones: {AGAIN}."
            )
        return lists

    def _array(self, name: str) -> NDArray[Any]:
        file = self.path / f"{name}.npy"
        try:
            with file.open("rb") as stream:
                return _mapped(stream, np.lib.format.open_memmap(file, mode="r"))
        except (OSError, ValueError, EOFError, TypeError, SyntaxError, OverflowError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(f"{file}: expected an array that `sweep teach` writes, got {reason}: {AGAIN}.") from error

    def check_covers(self, files: Sequence[str]) -> None:
        """Refuse training files that the teacher has not seen, by their names and sizes.

        Raises:
            DataError: naming the first.
        """
        seen = {file.name: file.size_bytes for file in self.manifest().files}
        if not seen:  # predictions from elsewhere: what they cover shows in training
            return
        sizes = zip(files, sizes_bytes(files), strict=True)
        missing = [path for path, size in sizes if seen.get(PurePath(path).name) != size]
        if missing:
            raise DataError(
                f"expected a teacher that has seen all {len(files)} training files, got {self.path}, which lacks "
                f"{len(missing)}, such as {missing[0]}, or knows another version of them: run sweep teach on them again"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder, for one process at a time; it must not be made by two.

        Raises:
            InputError: Another process is making it.
        """
        lock = self.path / "parts" / "lock"
        if is_locked(lock):
            raise InputError(f"expected a folder that nobody else is making, but another process teaches {self.path}")
        with locked(lock):
            yield

    def write_part(self, name: str, lists: TaughtLists, size_bytes: int) -> None:
        """Keep the predictions of one data file, of so many bytes, whole or not at all."""
        arrays: dict[str, NDArray[Any]] = {array: getattr(lists, array) for array in ARRAYS}
        arrays[SIZE] = np.asarray(size_bytes, np.int64)
        with whole_file(self.part(name)) as file:
            np.savez(file, allow_pickle=False, **arrays)

    def read_part(self, name: str, size_bytes: int, top_k: int) -> TaughtLists | None:
        """What `write_part` kept of a data file of that size; None where there is nothing, or nothing of use."""
        try:
            arrays = read_npz(self.part(name), (*ARRAYS, SIZE), error=DataError)
        except InputError:  # damaged, or an earlier version's
            return None
        size = arrays.pop(SIZE)
        lists = TaughtLists(**{array: arrays[array] for array in ARRAYS})
        as_written = size.shape == () and size.dtype.kind == "i" and lists.ids.ndim == 1
        as_written = as_written and _kinds(lists) == _expected(len(lists.ids), top_k)
        return lists if as_written and int(size) == size_bytes else None

    def finish(self, teacher: str, class_count: int, top_k: int, files: Sequence[tuple[str, int]]) -> Manifest:
        """Join the parts of these data files, names and sizes, into the four arrays, and delete the parts.

        Raises:
            DataError: An example is in two files, there is none at all, or a part is not there.
        """
        parts = []
        for name, size in files:
            part = self.read_part(name, size, top_k)
            if part is None:
                raise DataError(f"expected the predictions of {name} in {self.part(name)}, got none: {AGAIN}")
            parts.append(part)
        lists = joined(parts)
        if not len(lists):
            raise DataError(f"expected at least one example in the {len(files)} data files, got none")
        for name in ARRAYS:
            with whole_file(self.path / f"{name}.npy") as file:
                np.save(file, np.ascontiguousarray(getattr(lists, name)), allow_pickle=False)
        manifest = Manifest(
            teacher=teacher,
            class_count=class_count,
            top_k=top_k,
            files=tuple(
                TaughtFile(name=name, size_bytes=size, examples=len(part))
                for (name, size), part in zip(files, parts, strict=True)
            ),
            mean_listed=float(lists.scores.sum(axis=1, dtype=np.float64).mean()),
            mean_rest=float(lists.rest.mean()),
            digest=digest_of_lists(lists),
        )
        replace_json(self.manifest_file, manifest.model_dump(mode="json"))
        self.remove_parts()
        return manifest

    def remove_parts(self) -> None:
        """Delete what a pass needs until it is complete."""
        shutil.rmtree(self.path / "parts", ignore_errors=True)


def folder_at(predictions: str) -> TeacherFolder:
    """The folder at a path; of a URL, with its files in the cache that all processes of this machine share."""
    folder = TeacherFolder(shared_place(predictions))
    bring(folder.path, lambda name: "/" not in name)  # but for the parts of one that is being made
    return folder


def digest_of_lists(lists: TaughtLists) -> str:
    """SHA-256 of the four arrays' bytes, which are read a piece at a time."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        array = getattr(lists, name)
        rows = max(1, PIECE_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[start : start + rows]).data)
    return digest.hexdigest()


def _mapped(stream: BinaryIO, array: np.memmap[Any, Any]) -> NDArray[Any]:
    """The same array in a mapping of its own, of which `whole_mappings` tells when somebody cuts the file.

    Raises:
        ValueError: its rows do not lie one after the other.
    """
    if not array.flags.c_contiguous:
        raise ValueError("an array column by column")
    memory = map_file(stream.fileno(), os.fstat(stream.fileno()).st_size)
    if memory is None:  # where mappings cannot be guarded
        return array
    return np.frombuffer(memory, array.dtype, array.size, array.offset).reshape(array.shape)


def _kinds(lists: TaughtLists) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What is stored in each array, and its shape; of unsigned integers and bytes the width may be any."""
    arrays = {name: getattr(lists, name) for name in ARRAYS}
    return {
        name: (array.dtype.kind if array.dtype.kind in "uS" else str(array.dtype), array.shape)
        for name, array in arrays.items()
    }


def _expected(examples: int, top_k: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {
        "ids": ("S", (examples,)),
        "classes": ("u", (examples, top_k)),
        "scores": ("float16", (examples, top_k)),
        "rest": ("float32", (examples,)),
    }


def digest_of(graph: Path) -> str:
    """SHA-256 of a graph's files, names and contents, or of a file.

    Raises:
        InputError: There is nothing.
    """
    files = sorted(path for path in graph.rglob("*") if path.is_file()) if graph.is_dir() else [graph]
    if not files or not files[0].exists():
        raise InputError(f"expected a graph in {graph}, got {'an empty folder' if graph.is_dir() else 'nothing'}")
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
