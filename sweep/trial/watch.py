"""That a trial is trained and measured on the files that its sweep began with, from its first step to its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapsack.sweep.data.parts import files_of
from gapsack.sweep.data.storage.files import is_local
from gapsack.sweep.runs.data_check import refuse_unlabelled
from gapsack.sweep.runs.same_videos import refuse_difference, refuse_other_videos
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.runs.stamps import UnchangedFiles

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels


class DataWatch:
    """Looks at a trial's files when it begins, at every evaluation, and when it ends.

    Each method raises `DataError` where something is no longer what it was.
    """

    def __init__(self, spec: TrialSpec) -> None:
        self._pool = spec.run.pool
        self._videos: NDArray[np.str_] | None = None
        # A look at a remote file takes as long as reading some: training files there are looked at twice a trial.
        train, holdout = files_of(spec.train_files), files_of(spec.holdout_files)
        self._often = [*holdout, *(path for path in train if is_local(path))]
        self._files = UnchangedFiles(spec.run, [*train, *holdout])
        self._files.check()

    def evaluating(self) -> None:
        """An evaluation begins."""
        self._files.check(self._often)

    def evaluated(self, labels: Labels) -> None:
        """An evaluation has read the held-out videos, and found these labels."""
        if self._videos is None:
            refuse_unlabelled(labels.label_count)
            refuse_other_videos(self._pool, labels.video_ids)
            self._videos = labels.video_ids
        else:
            refuse_difference(self._videos, labels.video_ids, "those that this trial was measured on before")

    def ending(self) -> None:
        """The trial has done all but write its record."""
        self._files.check()
