"""A network as a `MetaGraphDef`: the definition that the SavedModel and the MetaGraph share."""

from __future__ import annotations

from typing import Any

from gapsack.models.graph.compact import compact, rename_tensor
from gapsack.models.graph.network import GraphNetwork


def graph_definition(network: GraphNetwork) -> Any:
    """The compacted graph with its variables and what restores them; signatures and collections are added by others."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with network.graph.as_default():
        definition = v1.train.export_meta_graph(
            saver_def=network.restore.saver, clear_devices=True, strip_default_attrs=True
        )
    stateful = {operation.type for operation in network.graph.get_operations() if operation.op_def.is_stateful}
    smaller, renamed = compact(definition.graph_def, keep=_outer_names(network), stateful=stateful)
    definition.graph_def.CopyFrom(smaller)
    collection = definition.collection_def[v1.GraphKeys.GLOBAL_VARIABLES].bytes_list.value
    for variable in network.restore.variables:
        entry = type(variable)()
        entry.CopyFrom(variable)
        entry.initializer_name = renamed[variable.initializer_name]
        entry.snapshot_name = rename_tensor(variable.snapshot_name, renamed)
        collection.append(entry.SerializeToString())
    return definition


def _outer_names(network: GraphNetwork) -> set[str]:
    """Operations that a signature, the checkpoint or a person looks up by name."""
    tensors = [*network.inputs.values(), network.predictions, network.top_indices, network.top_scores]
    tensors.extend(network.decoded)
    if network.serialized is not None:
        tensors.append(network.serialized)
    saver = network.restore.saver
    names = [saver.filename_tensor_name, saver.restore_op_name, *(v.variable_name for v in network.restore.variables)]
    return {tensor.op.name for tensor in tensors} | {name.partition(":")[0] for name in names}
