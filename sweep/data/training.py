"""The series of training batches: which records, which of their frames, and where to resume after each."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from selection.errors import DataError
from sweep.data import sampling
from sweep.data.batch import Batch
from sweep.data.blocks import Span, cut
from sweep.data.buffers import Buffers
from sweep.data.gather import Gather
from sweep.data.windows import FRAME_CHOICE, Window, Windows, WindowStart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sweep.data.faults import Faults
    from sweep.data.features import Features


class TrainingSeries:
    """Tasks, each of which gathers one batch; see `reader.training_batches`."""

    def __init__(
        self,
        files: Sequence[str],
        features: Features,
        faults: Faults,
        *,
        batch_size: int,
        sample_frames: int,
        seed: int,
        buffer_bytes: int,
    ) -> None:
        self._features, self._batch_size, self._sample_frames, self._seed = features, batch_size, sample_frames, seed
        self._buffers = Buffers()
        self._windows = Windows(files, features, faults, seed=seed, buffer_bytes=buffer_bytes)
        names = "\n".join(PurePath(file).name for file in files)
        self._identity = {
            "files": hashlib.sha256(names.encode()).hexdigest(),
            "features": repr(features),
            "batch_size": batch_size,
            "sample_frames": sample_frames,
            "seed": seed,
            "buffer_bytes": buffer_bytes,
        }

    def tasks(self, resume: dict[str, Any] | None, threads: int) -> Iterator[Callable[[], Batch]]:
        """One task a batch, endless, from the beginning or from the `resume` of a batch."""
        start, row, first_batch = self._windows.first(), 0, 0
        if resume is not None:
            start, row, first_batch = WindowStart.from_json(resume["start"]), resume["row"], resume["batch"]
        spans = self._spans(start, row, threads)
        for number, batch in enumerate(cut(spans, self._batch_size), first_batch):
            yield partial(self._gather, batch, number)

    def check_resume(self, resume: dict[str, Any]) -> None:
        """Raise `DataError` when `resume` comes from a series with other files, sizes or seed."""
        theirs = resume.get("series", {})
        changed = [name for name, value in self._identity.items() if theirs.get(name) != value]
        if changed:
            raise DataError(f"Reading resumes only with what it began with, got other {', '.join(changed)}.")

    def _spans(self, start: WindowStart, row: int, threads: int) -> Iterator[Span[Window]]:
        windows = self._windows.follow(start, threads)
        try:
            for window in windows:
                yield Span(window, row, len(window))
                row = 0
        finally:
            windows.close()

    def _gather(self, batch: Sequence[Span[Window]], number: int) -> Batch:
        gather = Gather(batch, self._features, self._buffers)
        counts = gather.frame_counts()
        if self._features.level == "frame":
            picks = sampling.at_random(counts, self._sample_frames, (self._seed, FRAME_CHOICE, number))
        else:
            picks = sampling.all_frames(counts)
        resume = self._resume(batch[-1], number + 1)
        return Batch(gather.video_ids(), gather.frames(picks), gather.labels(), resume)

    def _resume(self, last: Span[Window], next_batch: int) -> dict[str, Any]:
        window = last.block
        start, row = (window.after, 0) if last.stop == len(window) else (window.start, last.stop)
        return {"series": self._identity, "batch": next_batch, "start": start.to_json(), "row": row}
