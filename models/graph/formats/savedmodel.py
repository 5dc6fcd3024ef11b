"""The one graph as a SavedModel: for `tf.saved_model.load`, TensorFlow Serving, and everything made of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from gapsack.models.graph.definition import graph_definition
from gapsack.models.graph.fixed import added_bytes, fixed_tensors
from gapsack.models.graph.formats import Format
from gapsack.models.graph.handing import tensor_of
from gapsack.models.graph.loading import load_saved_model, reading
from gapsack.models.graph.members import AnyMember
from gapsack.models.graph.names import RECORDS_SIGNATURE, SAVED_MODEL_FILE, SIGNATURE, VARIABLES_PREFIX
from gapsack.models.graph.network import OUTPUTS, GraphNetwork, build_network
from gapsack.models.graph.output import GraphOutput, checked_inputs
from gapsack.models.graph.writing import Filled, GraphInfo, WriteOptions, write_weights, write_whole
from gapsack.selection.errors import InputError


@dataclass(frozen=True)
class SavedModelFormat:
    """`saved_model.pb`, its variables and a fingerprint; see `Format`."""

    name: str = "savedmodel"
    marker: str = SAVED_MODEL_FILE
    suffix: str | None = None
    tolerance: float = 1e-6
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def write(self, members: Sequence[AnyMember], directory: Path, options: WriteOptions) -> GraphInfo:
        """See `Format.write`."""
        network = build_network(
            members,
            task=options.task,
            blend=options.blend,
            top_k=options.top_k,
            sharing=options.sharing,
            plain=options.plain,
        )

        def fill(part: Path) -> Filled:
            filled = write_weights(part / VARIABLES_PREFIX, members, options)
            _write_definition(part / SAVED_MODEL_FILE, network)
            _write_fingerprint(part)
            return filled

        return write_whole(members, directory, self.marker, options, fill)

    def load(self, path: Path) -> Graph:
        """See `Format.load`."""
        return Graph(path)


FORMAT: Format = SavedModelFormat()


class Graph:
    """A SavedModel of `build_graph`, loaded with TensorFlow alone; a `Predictor`.

    Attributes:
        loaded: What `tf.saved_model.load` returned.
        inputs: See `Predictor.inputs`.

    Raises:
        InputError: There is no SavedModel, it cannot be loaded, or it lacks the signature of `build_graph`.
    """

    def __init__(self, directory: str | Path) -> None:
        folder = Path(directory)
        self.loaded = load_saved_model(folder)
        if SIGNATURE not in self.loaded.signatures:
            raise InputError(f"expected the signature {SIGNATURE} in {folder}, got none such")
        self._predict: Callable[..., dict[str, Any]] = self.signature(SIGNATURE)
        with reading(folder):
            specs = self.signature(SIGNATURE).structured_input_signature[1]
            self._types = {name: spec.dtype.as_numpy_dtype for name, spec in specs.items()}
        self.inputs: tuple[str, ...] = tuple(sorted(specs))

    def signature(self, name: str) -> Any:
        """A signature of the graph, as a function of TensorFlow."""
        return self.loaded.signatures[name]

    @property
    def decoded_bytes(self) -> int:
        """Memory that `decode` takes beside the stored weights: of all that it computes once."""
        return added_bytes(self._fixed())

    def decode(self) -> Self:
        """Compute once all that depends on weights alone, so that `predict` no longer does; the graph itself.

        Decoded weights, scales and offsets of norms and the like are kept as float32, beside the stored weights
        (`decoded_bytes`).
        """
        import tensorflow as tf

        inputs, outputs, fixed = self._inputs(), self._outputs(), self._fixed()
        # A member's weights are read once the member before has answered: that wants a video, whichever.
        video = [tf.ones([size or 1 for size in tensor.shape], tensor.dtype) for tensor in inputs]
        weights = self.loaded.prune(inputs, fixed)(*video)
        run = self.loaded.prune([*inputs, *fixed], outputs)
        self._predict = lambda **given: run(*(given[name] for name in self.inputs), *weights)
        return self

    def _inputs(self) -> list[Any]:
        return [self.loaded.graph.get_tensor_by_name(f"{name}:0") for name in self.inputs]

    def _outputs(self) -> dict[str, Any]:
        return {key: self.loaded.graph.get_tensor_by_name(name) for key, name in OUTPUTS.items()}

    def _fixed(self) -> list[Any]:
        return fixed_tensors(self._inputs(), self._outputs().values())

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> GraphOutput:
        """See `Predictor.predict`."""
        given = checked_inputs(inputs, self._types)
        return _output(self._predict(**{name: tensor_of(values) for name, values in given.items()}))

    def predict_serialized(self, records: list[bytes]) -> GraphOutput:
        """Predictions for serialized records of the task: of YouTube-8M, `SequenceExample`s at frame level,
        `Example`s at video level.

        Raises:
            InputError: The task has no records.
        """
        import tensorflow as tf

        if RECORDS_SIGNATURE not in self.loaded.signatures:
            raise InputError("expected a graph of a task that has records, got one that takes arrays")
        return _output(self.signature(RECORDS_SIGNATURE)(serialized=tf.constant(records)))


def _output(tensors: dict[str, Any]) -> GraphOutput:
    return GraphOutput(*(tensors[name].numpy() for name in OUTPUTS))


def _write_definition(file: Path, network: GraphNetwork) -> None:
    """Write `saved_model.pb` with its signatures; the checkpoint is written apart."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    definition = graph_definition(network)
    definition.meta_info_def.tags.append(tf.saved_model.SERVING)
    outputs = {
        "predictions": network.predictions,
        "top_indices": network.top_indices,
        "top_scores": network.top_scores,
    }
    inputs = {SIGNATURE: network.inputs}
    if network.serialized is not None:
        inputs[RECORDS_SIGNATURE] = {"serialized": network.serialized}
    for name, tensors in inputs.items():
        signature = definition.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for key, tensor in tensors.items():
            signature.inputs[key].CopyFrom(_tensor_info(tensor))
        for key, tensor in outputs.items():
            signature.outputs[key].CopyFrom(_tensor_info(tensor))
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[definition])
    file.write_bytes(saved.SerializeToString(deterministic=True))


def _write_fingerprint(directory: Path) -> None:
    """Write `fingerprint.pb`, which `tf.saved_model.experimental.read_fingerprint` reads; everything else is there."""
    from tensorflow.python.saved_model import fingerprinting_utils

    fingerprinting_utils.write_fingerprint(str(directory))


def _tensor_info(tensor: Any) -> Any:
    from tensorflow.core.protobuf import meta_graph_pb2

    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )
