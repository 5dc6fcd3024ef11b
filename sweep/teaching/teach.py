"""The pass of a teacher over data files: streaming, one part a file, which an interrupted pass keeps.

Files are taught here one after the other, or by workers side by side: a file's part depends on the file and the teacher
alone, and parts are joined in the order of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.selection.typed import read_typed
from gapsack.sweep.data.dataset import Dataset
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.storage.files import Stamp, stamps
from gapsack.sweep.errors import DataError
from gapsack.sweep.teaching.taught_lists import joined, lists_of
from gapsack.sweep.teaching.teacher_folder import Manifest, TeacherFolder
from gapsack.sweep.teaching.teachers import AnyTeacher

TOP_K = 100
"""Classes kept of each example by default: with float16 scores, 400 bytes."""

Advance = Callable[[int], object]
Notice = Callable[[str], object]
Mapped = Callable[[Callable[[Any, Any], Any], Any, Sequence[Any]], Iterator[Any]]
"""What has workers call a function with a shared object and each of some pieces, and gives the answers in order."""


class Begun(BaseModel):
    """What the parts of a folder that is being made are of."""

    teacher: str
    top_k: int


class TaughtPart(NamedTuple):
    """A file that was taught: its examples, and what of it was damaged, in sentences."""

    examples: int
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """A teacher, and data files that it is to predict for students.

    Attributes:
        teacher: That teaches.
        files: Data files; their names without folders must differ.
        dataset: Reads them.
        folder: To make.
        top_k: Classes to keep of each example; None for all.
        batch_size: Examples that are predicted at once.
        max_bad_share: Share of faulty records of a file beyond which it fails.
    """

    teacher: AnyTeacher
    files: tuple[str, ...]
    dataset: Dataset
    folder: TeacherFolder
    top_k: int | None = TOP_K
    batch_size: int = 64
    max_bad_share: float = 0.001

    def give(self, advance: Advance, notice: Notice = lambda _: None, mapped: Mapped | None = None) -> Manifest:
        """Predict every file that has no part yet, and join all parts.

        Args:
            advance: Gets the examples of each batch, or of each file that a worker has done.
            notice: Gets a sentence about each file that is not whole.
            mapped: Workers, which must see the same files and folder; None teaches here.

        Raises:
            InputError: Two files have one name, the folder holds the predictions of another teacher, or another process
                is making it.
            DataError: Too many records of a file are faulty, an example is in two files, the teacher has nothing to say
                of one, or a file changes meanwhile.
        """
        before = self._stamps()
        sizes = [(PurePath(path).name, stamp.size_bytes) for path, stamp in before.items()]
        done = self._already_there(sizes)
        if done is not None:
            self.folder.remove_parts()  # of a process that was killed when all but this was done
            return done
        with self.folder.held():
            self._begin()
            missing = [
                path
                for (name, size), path in zip(sizes, self.files, strict=True)
                if self.folder.read_part(name, size, self._kept) is None
            ]
            if mapped is None:
                parts: Iterator[TaughtPart] = (self.teach(path, advance) for path in missing)
            else:
                parts = mapped(taught_by_worker, self, missing)
            for part in parts:
                for sentence in part.notices:
                    notice(sentence)
                if mapped is not None:
                    advance(part.examples)
            self._refuse_changes(before)
            return self.folder.finish(self.teacher.digest, self.dataset.classes, self._kept, sizes)

    def teach(self, path: str, advance: Advance) -> TaughtPart:
        """Write the part of one file."""
        (stamp,) = stamps([path]).values()
        name = PurePath(path).name
        empty = np.zeros((0, self.dataset.classes), np.float32)
        parts = [lists_of(np.array([], np.str_), empty, self._kept)]
        if stamp.size_bytes == 0:  # as in training: told, and no more
            self.folder.write_part(name, parts[0], 0)
            return TaughtPart(0, (f"{name} is empty.",))
        faults = Faults(self.max_bad_share)
        with self.dataset.raw([path], batch_size=self.batch_size, faults=faults) as batches:
            for batch in batches:
                parts.append(self.teacher.taught(batch, self._kept))
                advance(len(batch.video_ids))
        lists = joined(parts)
        self.folder.write_part(name, lists, stamp.size_bytes)
        damaged = (f"Of {file} not all could be read: {why}." for file, why in faults.damaged_files.items())
        return TaughtPart(len(lists), tuple(damaged))

    def _stamps(self) -> dict[str, Stamp]:
        names = [PurePath(path).name for path in self.files]
        again = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if again:
            raise InputError(f"expected data files of different names, got {sorted(again)[0]} twice")
        return stamps(self.files)

    def _refuse_changes(self, before: dict[str, Stamp]) -> None:
        after = stamps(self.files)
        changed = [path for path in self.files if after[path] != before[path]]
        for path in changed:  # its part is of neither
            self.folder.part(PurePath(path).name).unlink(missing_ok=True)
        if changed:
            raise DataError(
                f"expected data files that stay as they are while they are taught, got another {changed[0]}"
                + (f" and {len(changed) - 1} others" if len(changed) > 1 else "")
                + ": give the command again when they are settled"
            )

    def _already_there(self, sizes: Sequence[tuple[str, int]]) -> Manifest | None:
        """The manifest of a complete folder of the same teacher and files; what is asked for decides, not its order."""
        if not self.folder.manifest_file.exists():
            return None
        manifest = self.folder.manifest()
        same = {(file.name, file.size_bytes) for file in manifest.files} == set(sizes)
        if manifest.teacher == self.teacher.digest and manifest.top_k == self._kept and same:
            self.folder.read()
            return manifest
        whose = "the same teacher" if manifest.teacher == self.teacher.digest else "another one"
        raise InputError(
            f"expected a new folder, or one of this teacher's for the same files, got {self.folder.path}, which holds "
            f"{manifest.examples} examples of {whose}"
        )

    @property
    def _kept(self) -> int:
        return min(self.top_k or self.dataset.classes, self.dataset.classes)

    def _begin(self) -> None:
        """Note what the parts are of; parts of another teacher are refused."""
        marker = self.folder.path / "parts" / "begun.json"
        now = Begun(teacher=self.teacher.digest, top_k=self._kept)
        if marker.exists():
            begun = read_typed(marker, Begun, what="the note of a teacher's pass", advice="delete the folder of parts")
            if begun != now:
                raise InputError(
                    f"expected a new folder, or one in which this teacher's pass was begun, got {self.folder.path}, in "
                    "which another teacher's was: delete it, or name another folder"
                )
        replace_json(marker, now.model_dump())


def taught_by_worker(lesson: Lesson, path: str) -> TaughtPart:
    """Write the part of one file, in a worker."""
    return lesson.teach(path, lambda _examples: None)
