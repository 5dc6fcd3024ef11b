"""The one graph as a MetaGraph, the format of the 2018 challenge.

Its inference code imports the graph, restores the checkpoint beside it, and looks up three collections:
`input_batch_raw` (dequantized frames, float32, zeros beyond a video's end), `num_frames` and `predictions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.models.graph.definition import graph_definition
from gapsack.models.graph.formats import Format
from gapsack.models.graph.loading import reading
from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.network import GraphNetwork, build_network
from gapsack.models.graph.output import GraphOutput, checked_inputs
from gapsack.models.graph.writing import Filled, GraphInfo, WriteOptions, write_weights, write_whole
from gapsack.models.tasks.youtube8m.quantization import features_of
from gapsack.selection.errors import InputError
from gapsack.selection.pool.lists import top_of_rows

PREFIX = "inference_model"
META_FILE = f"{PREFIX}.meta"
PREDICTIONS = "predictions"
CHALLENGE_FRAMES = "input_batch_raw"
"""Collection of dequantized frames, which are `frames` everywhere else."""


@dataclass(frozen=True)
class MetaGraphFormat:
    """`inference_model.meta`, `.index` and `.data-…`; see `Format`.

    Restored with TensorFlow alone: `tf.compat.v1.train.import_meta_graph(prefix + ".meta").restore(session, prefix)`.
    A video-level graph is fed as frames of one a video. The collections hold no best classes, so `top_k` is of no
    effect on what is written.
    """

    name: str = "metagraph"
    marker: str = META_FILE
    suffix: str | None = None
    tolerance: float = 1e-5
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def write(self, members: Sequence[AnyMember], directory: Path, options: WriteOptions) -> GraphInfo:
        """See `Format.write`."""
        network = build_network(
            members, task=options.task, blend=options.blend, takes_features=True, sharing=options.sharing
        )
        collections = options.task.collections

        def fill(part: Path) -> Filled:
            filled = write_weights(part / PREFIX, members, options)
            _write_definition(part / META_FILE, network, collections)
            return filled

        return write_whole(members, directory, self.marker, options, fill)

    def load(self, path: Path) -> MetaGraph:
        """See `Format.load`."""
        return MetaGraph(path)


FORMAT: Format = MetaGraphFormat()


class MetaGraph:
    """A MetaGraph, restored and run as the challenge's inference code does; a `Predictor`.

    Frames are dequantized and cut off at a video's end outside the graph, as the challenge's reader did.

    Attributes:
        inputs: See `Predictor.inputs`.

    Raises:
        InputError: There is no MetaGraph, it cannot be restored, or it lacks the challenge's collections.
    """

    def __init__(self, directory: str | Path, *, top_k: int = 20) -> None:
        import tensorflow as tf

        v1, prefix = tf.compat.v1, Path(directory) / PREFIX
        self._top_k = top_k
        with tf.Graph().as_default() as graph:
            self._session = v1.Session(graph=graph)
            with reading(Path(directory), f"a MetaGraph {META_FILE} and its weights"):
                _restore(self._session, prefix)
                found = {name: v1.get_collection(name)[0] for name in graph.get_all_collection_keys()}
        names = ", ".join(sorted(found)) or "none"
        found.pop(v1.GraphKeys.GLOBAL_VARIABLES, None)
        self._predictions = found.pop(PREDICTIONS, None)
        if self._predictions is None or not found:
            raise InputError(f"expected the collections {PREDICTIONS} and inputs in {prefix}.meta, got {names}")
        self._feeds = {"frames" if name == CHALLENGE_FRAMES else name: tensor for name, tensor in found.items()}
        self.inputs: tuple[str, ...] = tuple(sorted(self._feeds))

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> GraphOutput:
        """See `Predictor.predict`; frames of another type than uint8 are features already."""
        types = {name: tensor.dtype.as_numpy_dtype for name, tensor in self._feeds.items()}
        if "frames" in types:
            types["frames"] = None
        given = checked_inputs(inputs, types)
        if "frames" in given:
            given["frames"] = dequantized(given["frames"], given["num_frames"])
        feed = {self._feeds[name]: values for name, values in given.items()}
        probabilities: NDArray[np.float32] = self._session.run(self._predictions, feed)
        top_indices, top_scores = top_of_rows(probabilities, min(self._top_k, probabilities.shape[1]))
        return GraphOutput(probabilities, top_indices, top_scores)


def _restore(session: Any, prefix: Path) -> None:
    """Import the graph into the current one, which is the session's, and fill its variables."""
    import tensorflow as tf

    saver = tf.compat.v1.train.import_meta_graph(f"{prefix}.meta", clear_devices=True)
    if saver is None:
        raise ValueError("a graph without variables")
    saver.restore(session, str(prefix))


def dequantized(frames: NDArray[Any], num_frames: NDArray[Any]) -> NDArray[np.float32]:
    """Features of uint8 frames [batch, longest, width], zero beyond `num_frames`.

    Frames of another type are features already.
    """
    if frames.dtype != np.uint8:
        return np.asarray(frames, np.float32)
    features: NDArray[np.float32] = features_of(frames.astype(np.float32))
    features[np.arange(frames.shape[1]) >= np.asarray(num_frames)[:, np.newaxis]] = 0
    return features


def _write_definition(file: Path, network: GraphNetwork, collections: Mapping[str, str]) -> None:
    definition = graph_definition(network)
    tensors = {collections[name]: tensor for name, tensor in network.inputs.items()}
    for name, tensor in (tensors | {PREDICTIONS: network.predictions}).items():
        definition.collection_def[name].node_list.value.append(tensor.name)
    file.write_bytes(definition.SerializeToString(deterministic=True))
