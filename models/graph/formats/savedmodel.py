"""The SavedModel around a network and its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gapsack.models.graph.definition import graph_definition
from gapsack.models.graph.names import RECORDS_SIGNATURE, SAVED_MODEL_FILE, SIGNATURE
from gapsack.models.graph.network import Network


def write_saved_model(directory: Path, network: Network) -> None:
    """Write `saved_model.pb` with both signatures; the checkpoint is written apart."""
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    definition = graph_definition(network)
    definition.meta_info_def.tags.append(tf.saved_model.SERVING)
    outputs = {
        "predictions": network.predictions,
        "top_indices": network.top_indices,
        "top_scores": network.top_scores,
    }
    inputs = {
        SIGNATURE: {"frames": network.frames, "num_frames": network.num_frames},
        RECORDS_SIGNATURE: {"serialized": network.serialized},
    }
    for name, tensors in inputs.items():
        signature = definition.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for key, tensor in tensors.items():
            signature.inputs[key].CopyFrom(_tensor_info(tensor))
        for key, tensor in outputs.items():
            signature.outputs[key].CopyFrom(_tensor_info(tensor))
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[definition])
    (directory / SAVED_MODEL_FILE).write_bytes(saved.SerializeToString(deterministic=True))


def write_fingerprint(directory: Path) -> None:
    """Write `fingerprint.pb`, which `tf.saved_model.experimental.read_fingerprint` reads; everything else is there."""
    from tensorflow.python.saved_model import fingerprinting_utils

    fingerprinting_utils.write_fingerprint(str(directory))


def _tensor_info(tensor: Any) -> Any:
    from tensorflow.core.protobuf import meta_graph_pb2

    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )
