"""Which frames of a video fill the places of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gapsack.selection.compiled import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANDOM, _EVENLY, _ALL = range(3)


def evaluation_frames(num_frames: int, sample_frames: int) -> NDArray[np.int64]:
    """The fixed choice of evaluation: evenly spaced, index_i = floor((2i + 1) * num_frames / (2 * sample_frames)).

    In integers, so that the built graph's own arithmetic gives the same frames. Returns int64 [sample_frames].
    """
    return (2 * np.arange(sample_frames, dtype=np.int64) + 1) * num_frames // (2 * sample_frames)


class FrameChoice(NamedTuple):
    """How the frames of a batch's videos are chosen, before anybody knows how many each has.

    Chosen frames stand in order of time: that copies faster, and is what a model that sees it would want. `places`: how
    many each video has in the batch. `draws` uint32 [videos, places], or [videos, 0] where nothing is drawn.
    """

    way: int
    places: int
    draws: NDArray[np.uint32]

    @property
    def keeps_all(self) -> bool:
        """Whether each frame fills one place, and places beyond a video's end none."""
        return self.way == _ALL


def at_random(videos: int, places: int, seed: tuple[int, ...]) -> FrameChoice:
    """Drawn with replacement among each video's frames; repeatable."""
    draws = np.random.default_rng(seed).integers(0, 1 << 32, size=(videos, places), dtype=np.uint32)
    return FrameChoice(_RANDOM, places, draws)


def evenly(videos: int, places: int) -> FrameChoice:
    """`evaluation_frames` of each video."""
    return FrameChoice(_EVENLY, places, np.empty((videos, 0), np.uint32))


def all_frames(videos: int, places: int) -> FrameChoice:
    """Every frame once; no video may have more than `places`, and those beyond its end stay empty."""
    return FrameChoice(_ALL, places, np.empty((videos, 0), np.uint32))


@jit()
def choose(way: int, places: int, draws: NDArray[np.uint32], frames: int, times: NDArray[np.int64]) -> None:
    """How many of a video's places each of its `frames` fills, into times[:frames]; `draws` uint32 are the video's."""
    times[:frames] = 1 if way == _ALL else 0
    if way == _RANDOM:
        for draw in draws:
            # The high half of a 32 x 32 bit product: exact, and uniform to 1 part in 2^32.
            times[(np.int64(draw) * frames) >> 32] += 1
    elif way == _EVENLY:
        frame, remainder = 0, frames  # (2 * i + 1) * frames divided by 2 * places, place after place
        for _ in range(places):
            while remainder >= 2 * places:
                frame, remainder = frame + 1, remainder - 2 * places
            times[frame] += 1
            remainder += 2 * frames
