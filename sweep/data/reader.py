"""Batches of videos from YouTube-8M files: shuffled and endless for training, in order for evaluation.

Frames stay uint8 and only those that a batch needs are copied. Reading, checking and gathering run in threads, whose
number never changes what comes out. A record's bytes pass from memory to the processor once: it is checked when its
batch is gathered, and a batch that meets a faulty one is cut anew, without it (`stream.py`). Memory: at most three
buffers (the one being read, the one being served, and the one before it while its last batches are gathered) of
`buffer_bytes`, which for local files is the system's own cache; and `PREFETCH` batches, one more a thread, and those
that the consumer holds.

Every stream has `.wait_seconds`, the time its consumer has waited so far, and `.close()`, which ends its threads.
Faulty records are counted when they are met: the counts are exact for what a stream has served, and take what it has
read ahead to be good.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gapsack.sweep.data import sampling
from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.sampling import evaluation_frames
from gapsack.sweep.data.storage.buffers import Buffers
from gapsack.sweep.data.stream.gather import count_frames, gather
from gapsack.sweep.data.stream.order import InOrder
from gapsack.sweep.data.stream.stream import Stream
from gapsack.sweep.data.stream.training import TrainingSeries
from gapsack.sweep.data.stream.windows import Windows
from gapsack.sweep.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gapsack.sweep.data.faults import Faults
    from gapsack.sweep.data.features import Features
    from gapsack.sweep.data.stream.blocks import Cut

__all__ = ["Batch", "evaluation_batches", "evaluation_frames", "raw_batches", "training_batches"]

TRAINING_BUFFER_BYTES = 128 * 2**20
EVALUATION_BUFFER_BYTES = 16 * 2**20
PREFETCH = 4
THREADS = 2

T = TypeVar("T")


def training_batches(
    files: Sequence[str],
    features: Features,
    *,
    batch_size: int,
    sample_frames: int,
    seed: int,
    faults: Faults,
    whole: bool = False,
    resume: dict[str, Any] | None = None,
    buffer_bytes: int = TRAINING_BUFFER_BYTES,
    threads: int = THREADS,
) -> Stream[Batch]:
    """Endless batches of `batch_size` videos; `sample_frames` random frames of each, with replacement.

    The same files, sizes and seed give the same batches, and the `resume` of a batch gives exactly those after it,
    reading nothing that lies before that batch's own buffer. Every good record comes once an epoch. Faulty records are
    left out and counted in `faults`, which no other stream should share; too many, or no good record at all, raise
    `DataError`. A video-level record has one frame, so `sample_frames` says nothing there. With `whole`, each of a
    video's frames stands once, in its place, and there must be `sample_frames` places for `features.max_frames`.
    """
    _check(files, batch_size=batch_size, sample_frames=sample_frames, threads=threads)
    if seed < 0:
        raise ConfigError(f"The seed of the training data is at least 0, got {seed}.")
    series = TrainingSeries(
        files,
        features,
        batch_size=batch_size,
        sample_frames=sample_frames,
        whole=whole,
        seed=seed,
        buffer_bytes=buffer_bytes,
    )
    return series.stream(faults, resume, threads=threads, depth=PREFETCH)


def evaluation_batches(
    files: Sequence[str],
    features: Features,
    *,
    batch_size: int,
    sample_frames: int,
    faults: Faults,
    whole: bool = False,
    threads: int = THREADS,
) -> Stream[Batch]:
    """One pass in the order of the files, the last batch smaller; `evaluation_frames` of each video, or with `whole`
    each of its frames in its place."""
    _check(files, batch_size=batch_size, sample_frames=sample_frames, threads=threads)
    gather_batch = partial(
        _evaluation_batch, features=features, sample_frames=sample_frames, whole=whole, buffers=Buffers()
    )
    return _in_order(files, features, faults, batch_size=batch_size, threads=threads, gather_batch=gather_batch)


def raw_batches(
    files: Sequence[str], features: Features, *, batch_size: int, faults: Faults, threads: int = THREADS
) -> Stream[Batch]:
    """One pass in the order of the files, the last batch smaller; all frames of each video, up to `max_frames`."""
    _check(files, batch_size=batch_size, threads=threads)
    gather_batch = partial(_raw_batch, features=features, buffers=Buffers())
    return _in_order(files, features, faults, batch_size=batch_size, threads=threads, gather_batch=gather_batch)


def _in_order(
    files: Sequence[str],
    features: Features,
    faults: Faults,
    *,
    batch_size: int,
    threads: int,
    gather_batch: Callable[[Cut], T],
) -> Stream[T]:
    windows = Windows(
        files,
        features,
        faults,
        InOrder(),
        buffer_bytes=EVALUATION_BUFFER_BYTES,
        lost_records=PREFETCH * batch_size,
    )
    return Stream(windows, gather_batch, windows.first(), batch_size=batch_size, threads=threads, depth=PREFETCH)


def _evaluation_batch(batch: Cut, *, features: Features, sample_frames: int, whole: bool, buffers: Buffers) -> Batch:
    places = sample_frames if features.level == "frame" else 1
    choice = sampling.all_frames(len(batch), places) if whole else sampling.evenly(len(batch), places)
    return Batch(*gather(batch, features, buffers, choice))


def _raw_batch(batch: Cut, *, features: Features, buffers: Buffers) -> Batch:
    counts = count_frames(batch, features)  # which say how large the arrays have to be
    return Batch(*gather(batch, features, buffers, sampling.all_frames(len(batch), int(counts.max()))))


def _check(files: Sequence[str], **sizes: int) -> None:
    if not files:
        raise DataError("A reader needs at least one data file, got none.")
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{name} is at least 1, got {size}.")
