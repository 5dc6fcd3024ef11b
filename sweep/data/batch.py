"""What the reader hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Batch(NamedTuple):
    """`frames` uint8 [videos, S, width], or float32 [videos, 1, width] at video level; `labels` bool [videos, classes].

    `resume`: plain data from which `training_batches` goes on with the batch after this one; None in evaluation.
    """

    video_ids: NDArray[np.str_]
    frames: NDArray[np.uint8 | np.float32]
    labels: NDArray[np.bool_]
    resume: dict[str, Any] | None


class RawBatch(NamedTuple):
    """All frames of each video, for the built graph.

    `frames` uint8 [videos, longest, width] (float32 [videos, 1, width] at video level), zero beyond a video's end;
    `num_frames` int32 [videos]; `labels` bool [videos, classes].
    """

    video_ids: NDArray[np.str_]
    frames: NDArray[np.uint8 | np.float32]
    num_frames: NDArray[np.int32]
    labels: NDArray[np.bool_]

    @property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """What a built graph takes of the batch, by name (`Predictor.predict`)."""
        return {"frames": self.frames, "num_frames": self.num_frames}
