"""A built graph, loaded and run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gapsack.models.graph.names import RECORDS_SIGNATURE, SAVED_MODEL_FILE, SIGNATURE
from gapsack.models.graph.network import DECODED, OUTPUTS
from gapsack.models.graph.output import GraphOutput
from gapsack.selection.errors import InputError


class Graph:
    """A graph of `build_graph`, loaded with TensorFlow alone; a `Predictor`.

    Attributes:
        loaded: What `tf.saved_model.load` returned.

    Raises:
        InputError: There is no SavedModel, or it lacks the signatures of `build_graph`.
    """

    def __init__(self, directory: str | Path) -> None:
        import tensorflow as tf

        folder = Path(directory)
        if not (folder / SAVED_MODEL_FILE).is_file():
            raise InputError(f"expected a SavedModel in {folder}, got no {SAVED_MODEL_FILE} there")
        self.loaded = tf.saved_model.load(str(folder))
        missing = {SIGNATURE, RECORDS_SIGNATURE} - set(self.loaded.signatures)
        if missing:
            raise InputError(f"expected the signatures {SIGNATURE} and {RECORDS_SIGNATURE} in {folder}, got none such")
        self._predict: Callable[..., dict[str, Any]] = self.signature(SIGNATURE)

    def signature(self, name: str) -> Any:
        """A signature of the graph, as a function of TensorFlow."""
        return self.loaded.signatures[name]

    def decode(self) -> None:
        """Decode all weights now and keep them as float32, so that `predict` no longer does.

        Takes the memory of all members in float32, beside the stored ones.
        """
        import tensorflow as tf

        graph = self.loaded.graph
        names = [f"{op.name}:0" for op in graph.get_operations() if op.name.endswith(DECODED)]
        decoded = [graph.get_tensor_by_name(name) for name in names]
        inputs = [graph.get_tensor_by_name(name) for name in ("frames:0", "num_frames:0")]
        outputs = {key: graph.get_tensor_by_name(name) for key, name in OUTPUTS.items()}
        # A member's weights are read once the member before has answered: that wants a video, whichever.
        frames, num_frames = inputs
        video = tf.zeros([1, 1, frames.shape[-1]], frames.dtype), tf.ones([1], num_frames.dtype)
        weights = self.loaded.prune(inputs, decoded)(*video)
        run = self.loaded.prune([*inputs, *decoded], outputs)
        self._predict = lambda frames, num_frames: run(frames, num_frames, *weights)

    def predict(self, frames: NDArray[Any], num_frames: NDArray[Any]) -> GraphOutput:
        """See `Predictor.predict`."""
        import tensorflow as tf

        return _output(self._predict(frames=tf.constant(frames), num_frames=tf.constant(num_frames, tf.int32)))

    def predict_serialized(self, records: list[bytes]) -> GraphOutput:
        """Predictions for serialized records: `SequenceExample`s at frame level, `Example`s at video level."""
        import tensorflow as tf

        return _output(self.signature(RECORDS_SIGNATURE)(serialized=tf.constant(records)))


def _output(tensors: dict[str, Any]) -> GraphOutput:
    return GraphOutput(*(tensors[name].numpy() for name in OUTPUTS))
