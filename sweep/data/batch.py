"""What readers hand over: the kinds of `dataset.Examples`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Batch(NamedTuple):
    """Videos of YouTube-8M.

    `frames` uint8 [videos, places, width], or float32 [videos, 1, width] at video level; `num_frames` int32 [videos],
    how many of the places hold frames of the video, those beyond being zero; `labels` bool [videos, classes].

    `resume`: plain data from which `training_batches` goes on with the batch after this one; None in evaluation.
    """

    video_ids: NDArray[np.str_]
    frames: NDArray[np.uint8 | np.float32]
    num_frames: NDArray[np.int32]
    labels: NDArray[np.bool_]
    resume: dict[str, Any] | None = None

    @property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """As models take them."""
        return {"frames": self.frames, "num_frames": self.num_frames}


class Items(NamedTuple):
    """Examples of inputs by name, [items, ...] each; `labels` bool [items, classes]; `resume` as in `Batch`."""

    video_ids: NDArray[np.str_]
    inputs: dict[str, NDArray[Any]]
    labels: NDArray[np.bool_]
    resume: dict[str, Any] | None = None
