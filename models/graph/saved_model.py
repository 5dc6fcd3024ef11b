"""The SavedModel around a network and its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.graph.compact import compact, rename_tensor
from models.graph.network import Network

SAVED_MODEL_FILE = "saved_model.pb"
VARIABLES_PREFIX = "variables/variables"
SIGNATURE = "serving_default"
RECORDS_SIGNATURE = "serialized_records"


def write_saved_model(directory: Path, network: Network) -> None:
    """Write `saved_model.pb` with both signatures; the checkpoint is written apart."""
    from tensorflow.core.protobuf import saved_model_pb2

    meta_graph = _meta_graph(network)
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta_graph])
    (directory / SAVED_MODEL_FILE).write_bytes(saved.SerializeToString(deterministic=True))


def _meta_graph(network: Network) -> Any:
    import tensorflow as tf

    v1 = tf.compat.v1
    with network.graph.as_default():
        meta_graph = v1.train.export_meta_graph(
            saver_def=network.restore.saver, clear_devices=True, strip_default_attrs=True
        )
    meta_graph.meta_info_def.tags.append(v1.saved_model.tag_constants.SERVING)
    smaller, renamed = compact(
        meta_graph.graph_def,
        keep=_outer_names(network),
        stateful={operation.type for operation in network.graph.get_operations() if operation.op_def.is_stateful},
    )
    meta_graph.graph_def.CopyFrom(smaller)
    collection = meta_graph.collection_def[v1.GraphKeys.GLOBAL_VARIABLES].bytes_list.value
    for variable in network.restore.variables:
        entry = type(variable)()
        entry.CopyFrom(variable)
        entry.initializer_name = renamed[variable.initializer_name]
        entry.snapshot_name = rename_tensor(variable.snapshot_name, renamed)
        collection.append(entry.SerializeToString())
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
        signature = meta_graph.signature_def[name]
        signature.method_name = v1.saved_model.signature_constants.PREDICT_METHOD_NAME
        for key, tensor in tensors.items():
            signature.inputs[key].CopyFrom(_tensor_info(tensor))
        for key, tensor in outputs.items():
            signature.outputs[key].CopyFrom(_tensor_info(tensor))
    return meta_graph


def _outer_names(network: Network) -> set[str]:
    """Operations that a signature, the checkpoint or a person looks up by name."""
    tensors = (
        network.serialized,
        network.frames,
        network.num_frames,
        network.predictions,
        network.top_indices,
        network.top_scores,
    )
    saver = network.restore.saver
    names = [saver.filename_tensor_name, saver.restore_op_name, *(v.variable_name for v in network.restore.variables)]
    return {tensor.op.name for tensor in tensors} | {name.partition(":")[0] for name in names}


def _tensor_info(tensor: Any) -> Any:
    from tensorflow.core.protobuf import meta_graph_pb2

    return meta_graph_pb2.TensorInfo(
        name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
    )
