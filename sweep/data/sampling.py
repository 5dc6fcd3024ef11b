"""Which frames of a video fill the places of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

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
    """Frames drawn with replacement among each video's `counts`, in order of time: int64 [videos, S]; repeatable.

    Order copies faster, and is what a model that sees it would want.
    """
    draws = np.random.default_rng(seed).integers(0, 1 << 32, size=(len(counts), sample_frames), dtype=np.uint32)
    picks: NDArray[np.int64] = _scale_and_sort(draws, counts)
    return picks


@njit(cache=True, nogil=True)
def _scale_and_sort(draws: NDArray[np.uint32], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each 32-bit draw as a number below its row's count; every row sorted, by counting."""
    picks = np.empty(draws.shape, np.int64)
    drawn = np.empty(counts.max() if counts.size else 0, np.int64)
    for i in range(len(draws)):
        drawn[: counts[i]] = 0
        for draw in draws[i]:
            # The high half of a 32 x 32 bit product: exact, and uniform to 1 part in 2^32.
            drawn[(np.int64(draw) * counts[i]) >> 32] += 1
        place = 0
        for frame in range(counts[i]):
            for _ in range(drawn[frame]):
                picks[i, place] = frame
                place += 1
    return picks


def all_frames(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every frame in order, and -1 beyond a video's end: int64 [videos, longest]."""
    places = np.arange(counts.max(initial=0), dtype=np.int64)
    return np.where(places < counts[:, None], places, -1)
