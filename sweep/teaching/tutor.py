"""What a teacher says of a training's batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.teaching import TARGETS
from gapsack.sweep.data.dataset import Examples
from gapsack.sweep.data.storage.guard import whole_mappings
from gapsack.sweep.errors import DataError
from gapsack.sweep.grid.schema import Grid, Teacher
from gapsack.sweep.teaching.teacher_folder import folder_at


class Tutor:
    """Adds a teacher's predictions to batches.

    Args:
        teacher: The section of a grid.
        class_count: Of the task.

    Raises:
        DataError: There are no predictions, they are of other classes, or others than when the run began.
    """

    def __init__(self, teacher: Teacher, class_count: int) -> None:
        folder = folder_at(teacher.predictions)
        manifest = folder.manifest()
        if manifest.class_count != class_count:
            raise DataError(
                f"expected a teacher of {class_count} classes, got one of {manifest.class_count} in {folder.path}"
            )
        if teacher.digest not in (None, manifest.digest):
            raise DataError(f"expected the predictions in {folder.path} that this run began with, got others")
        self._lists, self._class_count, self._unlabelled = folder.read(), class_count, teacher.unlabelled

    def taught(self, batch: Examples) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_ | np.float32]]:
        """A batch's inputs with the teacher's probabilities, and its labels.

        Where examples without labels take part, their labels are those probabilities.

        Raises:
            DataError: naming an example that the teacher has not seen, or an array that was cut meanwhile.
        """
        with whole_mappings():
            targets = self._lists.dense(batch.video_ids, self._class_count)
        inputs = {**batch.inputs, TARGETS: targets}
        if not self._unlabelled:
            return inputs, batch.labels
        known = batch.labels.any(axis=1, keepdims=True)
        return inputs, np.where(known, batch.labels, targets).astype(np.float32)


def with_digest(grid: Grid, files: Sequence[str]) -> Grid:
    """The grid with the digest of its teacher's predictions, which must cover the training files.

    Raises:
        DataError: There are no predictions, they lack a file, or their arrays are damaged or others.
    """
    teacher = grid.training.teacher
    if teacher is None:
        return grid
    folder = folder_at(teacher.predictions)
    folder.check_covers(files)
    folder.read()  # holds the arrays against their digest
    known = teacher.model_copy(update={"digest": folder.manifest().digest})
    return grid.model_copy(update={"training": grid.training.model_copy(update={"teacher": known})})
