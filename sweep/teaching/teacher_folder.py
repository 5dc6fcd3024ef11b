"""The folder of a teacher's predictions: four arrays that trainings map into memory, and what they are of.

While it is made, `parts/` holds one file for each data file, so that an interrupted pass goes on where it was.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json, whole_file
from gapsack.sweep.data.storage.files import sizes_bytes
from gapsack.sweep.errors import DataError
from gapsack.sweep.teaching.taught_lists import TaughtLists, joined

ARRAYS = ("ids", "classes", "scores", "rest")
MANIFEST = "teacher.json"


class TaughtFile(BaseModel):
    """A data file that the teacher has seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size_bytes: int
    examples: int


class Manifest(BaseModel):
    """What a folder's predictions are of.

    Attributes:
        format: Of the folder.
        teacher: Digest of the graph, or of the predictions, that they come from.
        class_count: Of the vocabulary.
        top_k: Classes kept of each example.
        files: That were seen.
        mean_rest: Probability that all other classes have together, mean over examples.
        digest: Of the four arrays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = 1
    teacher: str
    class_count: int
    top_k: int
    files: tuple[TaughtFile, ...]
    mean_rest: float
    digest: str

    @property
    def examples(self) -> int:
        """All of them."""
        return sum(file.examples for file in self.files)


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
            DataError: An array is missing or damaged.
        """
        manifest, arrays = self.manifest(), {}
        for name in ARRAYS:
            file = self.path / f"{name}.npy"
            try:
                arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise DataError(f"{file}: expected an array that `sweep teach` writes, got {error}.") from error
        if {len(array) for array in arrays.values()} != {manifest.examples}:
            raise DataError(f"{self.path}: expected {manifest.examples} examples in every array, got others.")
        return TaughtLists(**arrays)

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

    def write_part(self, name: str, lists: TaughtLists) -> None:
        """Keep the predictions of one data file, whole or not at all."""
        with whole_file(self.part(name)) as file:
            np.savez(file, **{array: getattr(lists, array) for array in ARRAYS})

    def read_part(self, name: str) -> TaughtLists:
        """What `write_part` kept."""
        with np.load(self.part(name), allow_pickle=False) as arrays:
            return TaughtLists(**{array: arrays[array] for array in ARRAYS})

    def finish(self, teacher: str, class_count: int, files: Sequence[tuple[str, int]]) -> Manifest:
        """Join the parts of these data files, names and sizes, into the four arrays, and delete the parts.

        Raises:
            DataError: An example is in two files.
        """
        parts = [self.read_part(name) for name, _ in files]
        lists = joined(parts)
        digest = hashlib.sha256()
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(lists, name))
            digest.update(array.data if array.size else b"")
            with whole_file(self.path / f"{name}.npy") as file:
                np.save(file, array, allow_pickle=False)
        manifest = Manifest(
            teacher=teacher,
            class_count=class_count,
            top_k=lists.classes.shape[1],
            files=tuple(
                TaughtFile(name=name, size_bytes=size, examples=len(part))
                for (name, size), part in zip(files, parts, strict=True)
            ),
            mean_rest=float(lists.rest.mean()) if len(lists) else 0.0,
            digest=digest.hexdigest(),
        )
        replace_json(self.manifest_file, manifest.model_dump(mode="json"))
        shutil.rmtree(self.path / "parts")
        return manifest


def digest_of(graph: Path) -> str:
    """SHA-256 of a graph's files, names and contents, or of a file.

    Raises:
        InputError: There is nothing.
    """
    files = sorted(path for path in graph.rglob("*") if path.is_file()) if graph.is_dir() else [graph]
    if not files:
        raise InputError(f"expected a graph in {graph}, got an empty folder")
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
