"""All that can be known of data files before a sweep's first trial trains: what fails here would fail every trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.pool.lists import named_ids
from gapsack.sweep.data.beginnings import Inspectable
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.parts import files_of
from gapsack.sweep.data.storage.files import sizes_bytes, stamps
from gapsack.sweep.errors import ConfigError, DataError
from gapsack.sweep.grid.array_data import ArrayData
from gapsack.sweep.grid.video_data import Data
from gapsack.sweep.runs import checksums
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.same_videos import refuse_other_videos
from gapsack.sweep.runs.stamps import UnchangedFiles, write_stamps

READ_WHOLE_BYTES = 8 * 2**30
"""Held-out files of up to so many bytes in all are read whole; of larger ones the beginnings, as of training files."""
_BATCH = 256


@dataclass(frozen=True)
class DataCheck:
    """The data files of a sweep.

    Attributes:
        data: The grid's section.
        train: Training files, or parts of files.
        holdout: Held-out files, or parts.
        read_whole_bytes: See `READ_WHOLE_BYTES`.
    """

    data: Data | ArrayData
    train: Sequence[str]
    holdout: Sequence[str]
    read_whole_bytes: int = READ_WHOLE_BYTES

    def run(self, run: RunFolder) -> tuple[str, ...]:
        """Check the files, and keep in the run's folder what tells whether they change; sentences on what is tolerated.

        Raises:
            ConfigError: A file that is allowed to be damaged is not held out.
            DataError: A file cannot be read, or holds something else than the grid says; too much is faulty; a held-out
                file is not whole, or trains under another name; the hold-out has no label, or a video twice.
            InputError: The files are not those that the run was started with.
        """
        self._refuse_strangers()
        train, holdout = files_of(self.train), files_of(self.holdout)
        paths = [*train, *holdout]
        found = stamps(paths)
        notices = self._beginnings("training", self.train, Faults(self.data.max_bad_share))
        notices += self._beginnings("held-out", self.holdout, self._holdout_faults())
        taken = checksums.take(paths)
        checksums.keep(run.checksums_file, taken)
        checksums.refuse_leaks(train, holdout, taken)
        if sum(sizes_bytes(holdout)) <= self.read_whole_bytes:
            self._read_holdout(run)
        write_stamps(run.stamps_file, found)
        UnchangedFiles(run, paths).check()  # while all of this was read
        return tuple(notices)

    def _refuse_strangers(self) -> None:
        held_out = {PurePath(path).name for path in self.holdout}
        strangers = [name for name in self.data.allow_damaged if PurePath(name).name not in held_out]
        if strangers:
            raise ConfigError(
                f"expected data.holdout.allow_damaged to name held-out files, got {', '.join(strangers)} "
                f"(held out are {', '.join(sorted(held_out)[: checksums.NAMED])})"
            )

    def _holdout_faults(self) -> Faults:
        return Faults(self.data.max_bad_share, self.data.allow_damaged)

    def _beginnings(self, kind: str, files: Sequence[str], faults: Faults) -> list[str]:
        dataset = self.data.dataset
        if not isinstance(dataset, Inspectable):
            return []
        dataset.inspect(files, faults)
        faults.check(complete=True)
        return [f"Of the {kind} files {name} gives nothing: {why}." for name, why in faults.damaged_files.items()]

    def _read_holdout(self, run: RunFolder) -> None:
        """Read the held-out files as every evaluation will, with a frame of each video."""
        faults = self._holdout_faults()
        ids: list[NDArray[np.str_]] = []
        labels = 0
        with self.data.dataset.evaluation(
            self.holdout, batch_size=_BATCH, sample_frames=1, whole=False, faults=faults
        ) as batches:
            for batch in batches:
                ids.append(batch.video_ids)
                labels += int(batch.labels.sum())
        faults.check(complete=True)
        refuse_unlabelled(labels)
        found, counts = np.unique(np.concatenate(ids), return_counts=True)
        if (counts > 1).any():
            raise DataError(
                f"expected every held-out video once, got {named_ids(found[counts > 1], 'video')} repeatedly"
            )
        refuse_other_videos(run.pool, found)


def refuse_unlabelled(labels: int) -> None:
    """Raise `DataError` where the held-out videos have no label among them: every model would score 0."""
    if labels == 0:
        raise DataError(
            "expected held-out videos with labels, got none with any: nothing can be measured on them "
            "(data.keys names the labels where they are not called labels)"
        )
