"""What every built graph answers, whatever its format."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class GraphOutput(NamedTuple):
    """What a graph answers for a batch.

    Attributes:
        probabilities: [batch, classes].
        top_indices: [batch, k], classes by descending score, ties by lower class.
        top_scores: [batch, k].
    """

    probabilities: NDArray[np.float32]
    top_indices: NDArray[np.int32]
    top_scores: NDArray[np.float32]


class Predictor(Protocol):
    """A loaded graph of any format."""

    def predict(self, frames: NDArray[Any], num_frames: NDArray[Any]) -> GraphOutput:
        """Predictions for uint8 frames [batch, longest, width] (float32 [batch, 1, width] at video level).

        `num_frames` [batch] says how many frames of each video are real.
        """
