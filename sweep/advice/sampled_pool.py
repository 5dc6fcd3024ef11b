"""A pool of few enough videos for ensembles to be compared in seconds."""

from __future__ import annotations

import numpy as np

from gapsack.selection.pool import CandidatePool

SAMPLE_VIDEOS = 5_000
"""Of more, a random sample of so many is looked at, the same each time."""


def sampled(pool: CandidatePool) -> CandidatePool:
    """The pool, or one of a sample of its videos."""
    if pool.labels.video_count <= SAMPLE_VIDEOS:
        return pool
    return pool.take(np.sort(np.random.default_rng(0).permutation(pool.labels.video_count)[:SAMPLE_VIDEOS]))
