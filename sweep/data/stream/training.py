"""The batches of training: in which order, which of their frames, and where to resume after each."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from gapsack.sweep.data import sampling
from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.storage.buffers import Buffers
from gapsack.sweep.data.stream.gather import gather
from gapsack.sweep.data.stream.order import FRAME_CHOICE, Shuffled
from gapsack.sweep.data.stream.places import Place
from gapsack.sweep.data.stream.stream import Stream
from gapsack.sweep.data.stream.windows import Windows
from gapsack.sweep.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapsack.sweep.data.faults import Faults
    from gapsack.sweep.data.features import Features
    from gapsack.sweep.data.stream.blocks import Cut


FORM = 2
"""Of the state that resumes a series; higher where an earlier one would not do."""


class TrainingSeries:
    """The series of batches that files, sizes and a seed give; see `reader.training_batches`."""

    def __init__(
        self,
        files: Sequence[str],
        features: Features,
        *,
        batch_size: int,
        sample_frames: int,
        seed: int,
        buffer_bytes: int,
        whole: bool = False,
    ) -> None:
        self._files, self._features, self._batch_size = files, features, batch_size
        self._sample_frames, self._seed, self._buffer_bytes = sample_frames, seed, buffer_bytes
        self._buffers = Buffers()
        self._whole = whole
        names = "\n".join(PurePath(file).name for file in files)
        self._identity = {
            "form": FORM,
            "files": hashlib.sha256(names.encode()).hexdigest(),
            "features": repr(features),
            "batch_size": batch_size,
            "sample_frames": sample_frames,
            "seed": seed,
            "buffer_bytes": buffer_bytes,
        }
        # What came later stands there only where it is used, so that what was read before goes on.
        self._identity |= ({"whole": True} if whole else {}) | ({"keys": repr(features.keys)} if features.keys else {})

    def stream(self, faults: Faults, resume: dict[str, Any] | None, *, threads: int, depth: int) -> Stream[Batch]:
        """The batches from the beginning on, or those after the one whose `resume` this is.

        Raises `DataError` when `resume` comes from a series with other files, sizes or seed.
        """
        windows = Windows(
            self._files,
            self._features,
            faults,
            Shuffled(self._seed),
            buffer_bytes=self._buffer_bytes,
            lost_records=depth * self._batch_size,
        )
        if resume is not None:
            self._check_resume(resume)
        place = windows.first() if resume is None else Place.from_json(resume)
        return Stream(windows, self._gather, place, batch_size=self._batch_size, threads=threads, depth=depth)

    def _check_resume(self, resume: dict[str, Any]) -> None:
        theirs = resume.get("series", {})
        changed = [name for name, value in self._identity.items() if theirs.get(name) != value]
        if changed:
            raise DataError(f"Reading resumes only with what it began with, got other {', '.join(changed)}.")

    def _gather(self, batch: Cut) -> Batch:
        if self._features.level == "frame" and not self._whole:
            seed = self._seed, FRAME_CHOICE, batch.number
            choice = sampling.at_random(len(batch), self._sample_frames, seed)
        else:
            places = self._sample_frames if self._features.level == "frame" else 1
            choice = sampling.all_frames(len(batch), places)
        resume = {"series": self._identity, **batch.ends.to_json()}
        return Batch(*gather(batch, self._features, self._buffers, choice), resume=resume)
