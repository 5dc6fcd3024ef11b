"""Variables of the graph, with no more operations than a graph needs that is only ever restored and read.

A variable of `tf.compat.v1` brings an initial value, the test whether it has one, and operations to save it: two thirds
of a small member's graph. Here a variable is its handle, one read and one assignment from the checkpoint, which is its
initializer as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gapsack.models.precisions import Part


@dataclass
class Variable:
    """A variable declared in the current graph.

    Attributes:
        name: Name in the graph and in the checkpoint.
        dtype: Its `tf.DType`.
        handle: The resource tensor.
        value: The tensor that reads it, once `read` was called.
    """

    name: str
    dtype: Any
    handle: Any
    value: Any = None

    def read(self, after: Sequence[Any]) -> Any:
        """Lay down the one read, to run after the tensors `after` are computed."""
        import tensorflow as tf

        with tf.control_dependencies(after):
            self.value = tf.raw_ops.ReadVariableOp(resource=self.handle, dtype=self.dtype, name="read")
        return self.value


@dataclass(frozen=True)
class Restore:
    """What fills the variables of a graph.

    Attributes:
        saver: The `SaverDef` that names the operations.
        variables: A `VariableDef` for each, as the collection of global variables holds them.
    """

    saver: Any
    variables: list[Any]


def declare(name: str, layout: Part) -> Variable:
    """Add a variable to the current graph."""
    import tensorflow as tf

    dtype = tf.as_dtype(layout.dtype)
    handle = tf.raw_ops.VarHandleOp(dtype=dtype, shape=layout.shape, shared_name=name, name=name)
    return Variable(name, dtype, handle)


def add_restore(variables: Sequence[Variable]) -> Restore:
    """Add the operations that fill all variables from a checkpoint to the current graph."""
    import tensorflow as tf
    from tensorflow.core.framework import variable_pb2

    v1 = tf.compat.v1
    with tf.name_scope("restore"):
        prefix = v1.placeholder_with_default("variables", [], name="prefix")
        values = tf.raw_ops.RestoreV2(
            prefix=prefix,
            tensor_names=[variable.name for variable in variables],
            shape_and_slices=[""] * len(variables),
            dtypes=[variable.dtype for variable in variables],
        )
        assignments = [
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value, name="assign")
            for variable, value in zip(variables, values, strict=True)
        ]
        restored = tf.group(*assignments, name="all")
    saver = v1.train.SaverDef(
        filename_tensor_name=prefix.name,
        save_tensor_name=prefix.name,  # required, though this graph is never saved again
        restore_op_name=restored.name,
        version=v1.train.SaverDef.V2,
    )
    definitions = [
        variable_pb2.VariableDef(
            variable_name=variable.handle.name,
            initializer_name=assignment.name,
            snapshot_name=variable.value.name,
            is_resource=True,
        )
        for variable, assignment in zip(variables, assignments, strict=True)
    ]
    return Restore(saver, definitions)
