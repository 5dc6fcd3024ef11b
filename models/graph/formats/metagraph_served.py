"""A MetaGraph of the 2018 challenge, restored and run as its inference code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.graph.formats.metagraph import PREFIX
from gapsack.models.graph.output import GraphOutput
from gapsack.selection.errors import InputError
from gapsack.selection.pool.lists import top_of_rows

COLLECTIONS = ("input_batch_raw", "num_frames", "predictions")


class MetaGraph:
    """A graph of `build_meta_graph`; a `Predictor`.

    Frames are dequantized and cut off at a video's end outside the graph, as the challenge's reader did.

    Raises:
        InputError: There is no MetaGraph, it cannot be restored, or it lacks the challenge's collections.
    """

    def __init__(self, directory: str | Path, *, top_k: int = 20) -> None:
        import tensorflow as tf

        v1, prefix = tf.compat.v1, Path(directory) / PREFIX
        self._top_k = top_k
        with tf.Graph().as_default() as graph:
            self._session = v1.Session(graph=graph)
            try:
                v1.train.import_meta_graph(f"{prefix}.meta", clear_devices=True).restore(self._session, str(prefix))
            except (OSError, ValueError, tf.errors.OpError) as error:
                raise InputError(
                    f"expected a MetaGraph {PREFIX}.meta and its weights in {directory}, got {error}"
                ) from error
            found = [v1.get_collection(name) for name in COLLECTIONS]
        if not all(found):
            raise InputError(f"expected the collections {', '.join(COLLECTIONS)} in {prefix}.meta, got not all of them")
        self._frames, self._num_frames, self._predictions = (tensors[0] for tensors in found)

    def predict(self, frames: NDArray[Any], num_frames: NDArray[Any]) -> GraphOutput:
        """See `Predictor.predict`."""
        feed = {self._frames: dequantized(frames, num_frames), self._num_frames: np.asarray(num_frames, np.int32)}
        probabilities: NDArray[np.float32] = self._session.run(self._predictions, feed)
        top_indices, top_scores = top_of_rows(probabilities, min(self._top_k, probabilities.shape[1]))
        return GraphOutput(probabilities, top_indices, top_scores)


def dequantized(frames: NDArray[Any], num_frames: NDArray[Any]) -> NDArray[np.float32]:
    """Features of uint8 frames [batch, longest, width]: q 4/255 + 4/512 - 2, zero beyond `num_frames`.

    Frames of another type are features already.
    """
    if frames.dtype != np.uint8:
        return np.asarray(frames, np.float32)
    features = frames * np.float32(4 / 255) + np.float32(4 / 512 - 2)
    features[np.arange(frames.shape[1]) >= np.asarray(num_frames)[:, np.newaxis]] = 0
    return features
