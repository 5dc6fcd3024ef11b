"""The held-out videos of a run or a pool of video data, in batches: what a benchmark scores a graph on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gapsack.sweep.data.batch import Batch
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.data.features import Features
from gapsack.sweep.data.reader import raw_batches
from gapsack.sweep.data.videos import Videos

BATCH = 256


def features_of(task: Mapping[str, Any]) -> Features:
    """What records of a YouTube-8M task hold, of the task's plain values."""
    return Videos.of_task(task).features


def held_out(files: Sequence[str], features: Features, wanted: set[str]) -> list[Batch]:
    """The videos of these ids, in the files' order."""
    kept = []
    with raw_batches(files, features, batch_size=BATCH, faults=Faults(0.001)) as stream:
        for batch in stream:
            rows = [row for row, video in enumerate(batch.video_ids.tolist()) if video in wanted]
            if rows:
                kept.append(some_of(batch, np.array(rows)))
    return kept


def some_of(batch: Batch, rows: Any) -> Batch:
    """Some videos of a batch, by a slice or by numbers; of memory of its own."""
    columns = (batch.video_ids, batch.frames, batch.num_frames, batch.labels)
    return Batch(*(np.array(column[rows]) for column in columns))
