"""What a Keras model takes in the one graph: counted, since nobody knows what operations a model of one's own has."""

from __future__ import annotations

from typing import Any

import keras

from gapsack.models.families.keras_model.network import KerasModel
from gapsack.models.tasks import View
from gapsack.selection.errors import InputError

VARIABLE_BYTES = 600
"""Beside its names: its handle, its read, its restoring, its definition and its place in the checkpoint's index."""

NAMES = 10
"""Times that a variable's name is spelled out, at most."""

FRAMES = 300
"""Frames of a view by which loops that a model has unrolled are counted."""

SHORT_NAME = "op99999"
"""As long as the names that the graph gives operations in the end."""


def graph_bytes(model: KerasModel, *, whole: bool) -> int:
    """Upper bound of what the model's operations and its float32 variables take in a SavedModel beside the weights.

    Raises:
        InputError: Keras runs on another backend than TensorFlow, which alone builds graphs.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "expected Keras on TensorFlow to count what a Keras model takes in a graph, got Keras on "
            f"{keras.backend.backend()}; set KERAS_BACKEND=tensorflow"
        )
    definition = _definition(model, View(FRAMES, whole))
    operations = sum(_compact_bytes(node) for node in definition.node)
    names = sum(VARIABLE_BYTES + NAMES * len(f"tower/model999/{name}") for name in model.table)
    return operations + int(definition.library.ByteSize()) + names


def _definition(model: KerasModel, view: View) -> Any:
    import tensorflow as tf

    placeholder = tf.compat.v1.placeholder
    with tf.Graph().as_default() as graph:
        inputs = {given.name: placeholder(given.dtype, [None, *given.shape]) for given in model.task.model_inputs(view)}
        weights = [(variable, placeholder(tf.float32, variable.shape)) for variable in model.tensor_variables.values()]
        with keras.StatelessScope(weights, initialize_variables=False):
            model(inputs, training=False)
    return graph.as_graph_def()


def _compact_bytes(node: Any) -> int:
    """Bytes of an operation once names are short and what can be inferred is left out, with its tag and length."""
    smaller = type(node)(name=SHORT_NAME, op=node.op, input=[f"{SHORT_NAME}:0"] * len(node.input))
    for attribute, value in node.attr.items():
        if not attribute.startswith("_"):
            smaller.attr[attribute].CopyFrom(value)
    return int(smaller.ByteSize()) + 4
