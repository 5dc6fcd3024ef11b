"""The pass of a teacher over data files: streaming, one part a file, which an interrupted pass keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel

from gapsack.selection.errors import InputError
from gapsack.selection.files import read_json, replace_json
from gapsack.sweep.data.dataset import Dataset
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.storage.files import sizes_bytes
from gapsack.sweep.measure.labelled_lists import predicted
from gapsack.sweep.teaching.taught_lists import TaughtLists, joined, lists_of
from gapsack.sweep.teaching.teacher_folder import Manifest, TeacherFolder, digest_of

if TYPE_CHECKING:
    from gapsack.models.graph import Predictor

TOP_K = 100
"""Classes kept of each example by default: with float16 scores, 400 bytes."""


class Begun(BaseModel):
    """What the parts of a folder that is being made are of."""

    teacher: str
    top_k: int


@dataclass(frozen=True)
class Lesson:
    """A graph that predicts data files for a student.

    Attributes:
        graph: That teaches.
        files: Data files; their names without folders must differ.
        dataset: Reads them.
        folder: To make.
        top_k: Classes to keep of each example; None for all.
        batch_size: Examples that are predicted at once.
        max_bad_share: Share of faulty records of a file beyond which it fails.
    """

    graph: Path
    files: tuple[str, ...]
    dataset: Dataset
    folder: TeacherFolder
    top_k: int | None = TOP_K
    batch_size: int = 64
    max_bad_share: float = 0.001

    def give(self, load: Callable[[Path], Predictor], advance: Callable[[int], object]) -> Manifest:
        """Predict every file that has no part yet, and join all parts; `advance` gets the examples of each batch.

        Raises:
            InputError: Two files have one name, or the folder holds the predictions of another teacher.
            DataError: Too many records of a file are faulty, or an example is in two files.
        """
        sizes = self._sizes()
        teacher = digest_of(self.graph)
        done = self._already_there(teacher, sizes)
        if done is not None:
            return done
        self._begin(teacher)
        missing = [path for path in self.files if not self.folder.part(PurePath(path).name).exists()]
        graph = load(self.graph) if missing else None
        for path in missing:
            assert graph is not None
            self.folder.write_part(PurePath(path).name, self._taught(graph, path, advance))
        return self.folder.finish(teacher, self.dataset.classes, sizes)

    def _sizes(self) -> list[tuple[str, int]]:
        names = [PurePath(path).name for path in self.files]
        again = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if again:
            raise InputError(f"expected data files of different names, got {sorted(again)[0]} twice")
        return list(zip(names, sizes_bytes(self.files), strict=True))

    def _already_there(self, teacher: str, sizes: Sequence[tuple[str, int]]) -> Manifest | None:
        """The manifest of a complete folder of the same teacher and files; what is asked for decides, not its order."""
        if not self.folder.manifest_file.exists():
            return None
        manifest = self.folder.manifest()
        same = {(file.name, file.size_bytes) for file in manifest.files} == set(sizes)
        if manifest.teacher == teacher and manifest.top_k == self._kept and same:
            return manifest
        raise InputError(
            f"expected a new folder, or one of this teacher's for the same files, got {self.folder.path}, which holds "
            f"{manifest.examples} examples of {'the same teacher' if manifest.teacher == teacher else 'another one'}"
        )

    @property
    def _kept(self) -> int:
        return min(self.top_k or self.dataset.classes, self.dataset.classes)

    def _begin(self, teacher: str) -> None:
        """Note what the parts are of; parts of another teacher are refused."""
        marker = self.folder.path / "parts" / "begun.json"
        now = Begun(teacher=teacher, top_k=self._kept)
        if marker.exists() and Begun.model_validate(read_json(marker)) != now:
            raise InputError(
                f"expected a new folder, or one in which this teacher's pass was begun, got {self.folder.path}, in "
                "which another teacher's was: delete it, or name another folder"
            )
        replace_json(marker, now.model_dump())

    def _taught(self, graph: Predictor, path: str, advance: Callable[[int], object]) -> TaughtLists:
        faults, parts = Faults(self.max_bad_share), []
        with self.dataset.raw([path], batch_size=self.batch_size, faults=faults) as batches:
            for batch, output in predicted(graph, batches, advance):
                parts.append(lists_of(batch.video_ids, output.probabilities, self._kept))
        if not parts:
            empty = np.zeros((0, self.dataset.classes), np.float32)
            return lists_of(np.array([], np.str_), empty, self._kept)
        return joined(parts)
