"""Which frames of a video fill the places of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def evaluation_frames(num_frames: int, sample_frames: int) -> NDArray[np.int64]:
    """The fixed choice of evaluation: evenly spaced, index_i = floor((2i + 1) * num_frames / (2 * sample_frames)).

    In integers, so that the built graph's own arithmetic gives the same frames. Returns int64 [sample_frames].
    """
    return (2 * np.arange(sample_frames, dtype=np.int64) + 1) * num_frames // (2 * sample_frames)


def evenly(counts: NDArray[np.int64], sample_frames: int) -> NDArray[np.int64]:
    """`evaluation_frames` for every video of a batch: int64 [videos, sample_frames]."""
    return (2 * np.arange(sample_frames, dtype=np.int64) + 1) * counts[:, None] // (2 * sample_frames)


def at_random(counts: NDArray[np.int64], sample_frames: int, seed: tuple[int, ...]) -> NDArray[np.int64]:
    """Frames drawn with replacement among each video's `counts`, in order of time: int64 [videos, S]; repeatable."""
    draws = np.random.default_rng(seed).integers(0, 1 << 32, size=(len(counts), sample_frames), dtype=np.uint32)
    # The high half of a 32 x 32 bit product: exact, and uniform to 1 part in 2^32.
    picks = (draws.astype(np.int64) * counts[:, None]) >> 32
    picks.sort(axis=1)  # which copies faster, and is what a model that sees order would want
    return picks


def all_frames(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every frame in order, and -1 beyond a video's end: int64 [videos, longest]."""
    places = np.arange(counts.max(initial=0), dtype=np.int64)
    return np.where(places < counts[:, None], places, -1)
