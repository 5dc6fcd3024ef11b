"""The ensemble as operations of one TensorFlow graph, without any weight in memory.

It is a graph in TensorFlow 1's sense: `tf.saved_model.load` reads it as it reads any SavedModel, it has no function
library or object graph to add to the bytes, and the challenge's MetaGraph is the same thing in other files. Variables
are declared here and filled from the checkpoint when it is loaded; the members' Keras models only lay down their
operations, with the decoded variables in the place of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from models import registry
from models.graph.inputs import parse_frame_level, parse_video_level, sample
from models.graph.members import Member, Shared, scope, shared_features, variable_name
from models.graph.variables import Restore, Variable, add_restore, declare
from models.precisions.codec import MAIN
from selection.errors import GraphError, InputError

Level = Literal["frame", "video"]
Blend = Literal["probability", "logit"]

DECODED = "/decoded"
"""Ends the names of operations that hold decoded weights."""

OUTPUTS = {"predictions": "predictions:0", "top_indices": "top:1", "top_scores": "top:0"}
"""Tensors of the graph by what they are in a signature."""

LOGIT_EPSILON = 1e-6
"""Probabilities are kept this far from 0 and 1 before a logit is taken."""


@dataclass(frozen=True)
class Network:
    """The graph and its tensors that have a meaning outside.

    Attributes:
        graph: The `tf.Graph`.
        restore: What fills the variables.
        serialized: Records, string [batch]; None in a graph that takes features.
        frames: uint8 [batch, longest, width] at frame level, float32 [batch, 1, width] at video level; float32 features
            [batch, longest, width] in a graph that takes those.
        num_frames: int32 [batch].
        decoded: Float32 tensors that stored weights are decoded to, `<variable>/decoded`; none for float32 ones.
        predictions: float32 [batch, classes].
        top_indices: int32 [batch, k], classes by descending score, ties by lower class.
        top_scores: float32 [batch, k].
    """

    graph: Any
    restore: Restore
    serialized: Any
    frames: Any
    num_frames: Any
    decoded: list[Any]
    predictions: Any
    top_indices: Any
    top_scores: Any


def build_network(
    members: Sequence[Member],
    *,
    level: Level,
    blend: Blend = "probability",
    top_k: int = 20,
    max_frames: int = 300,
    takes_features: bool = False,
) -> Network:
    """Lay down the whole ensemble; arguments as for `build_graph`.

    With `takes_features` the graph takes dequantized frames, float32, in the place of bytes and records.

    Raises:
        InputError: As `shared_features`, or for an unknown level or blend.
        GraphError: Keras runs on another backend than TensorFlow.
    """
    import tensorflow as tf

    shared = shared_features(members)
    if level not in ("frame", "video") or blend not in ("probability", "logit"):
        raise InputError(f"expected level frame or video and blend probability or logit, got {level!r} and {blend!r}")
    graph = tf.Graph()
    with graph.as_default():
        serialized, frames, num_frames = _features(shared) if takes_features else _records(level, shared)
        variables = {name: variable for i, member in enumerate(members) for name, variable in _variables(i, member)}
        seen = _seen_frames(members, frames, num_frames, level, max_frames)
        decoded: list[Any] = []
        outputs = _member_outputs(members, variables, seen, decoded)
        predictions = tf.identity(_blend(outputs, members, blend), name="predictions")
        scores, indices = tf.math.top_k(predictions, min(top_k, shared.classes), name="top")
        restore = add_restore(list(variables.values()))
    return Network(graph, restore, serialized, frames, num_frames, decoded, predictions, indices, scores)


def _features(shared: Shared) -> tuple[None, Any, Any]:
    import tensorflow as tf

    v1 = tf.compat.v1
    frames = v1.placeholder(tf.float32, [None, None, shared.rgb + shared.audio], name="input_batch_raw")
    return None, frames, v1.placeholder(tf.int32, [None], name="num_frames")


def _records(level: Level, shared: Shared) -> tuple[Any, Any, Any]:
    """Records are parsed into frames and counts; a caller that has those feeds them in the place of records."""
    import tensorflow as tf

    serialized = tf.compat.v1.placeholder(tf.string, [None], name="serialized")
    width = shared.rgb + shared.audio
    with tf.name_scope("parse"):
        parse = parse_frame_level if level == "frame" else parse_video_level
        frames, num_frames = parse(serialized, shared)
    frames = tf.identity(tf.ensure_shape(frames, [None, None if level == "frame" else 1, width]), name="frames")
    return serialized, frames, tf.identity(num_frames, name="num_frames")


def _variables(index: int, member: Member) -> list[tuple[str, Variable]]:
    declared = []
    for tensor in member.tensors:
        for part, layout in member.stored.codec(tensor).layout(tensor.shape).items():
            name = variable_name(index, tensor.name, part)
            declared.append((name, declare(name, layout)))
    return declared


def _seen_frames(members: Sequence[Member], frames: Any, num_frames: Any, level: Level, max_frames: int) -> list[Any]:
    """The frames that each member sees; members that sample as many see the same tensor."""
    import tensorflow as tf

    if level == "video":
        return [frames] * len(members)
    sampled: dict[int, Any] = {}
    for count in sorted({member.sample_frames for member in members}):
        with tf.name_scope(f"sample{count}"):
            sampled[count] = sample(frames, num_frames, count, max_frames)
    return [sampled[member.sample_frames] for member in members]


def _member_outputs(
    members: Sequence[Member], variables: dict[str, Variable], seen: Sequence[Any], decoded: list[Any]
) -> list[Any]:
    """Probabilities of each member, one after the other: so that one member's decoded weights are held at a time."""
    import tensorflow as tf

    outputs: list[Any] = []
    for index, (member, frames) in enumerate(zip(members, seen, strict=True)):
        with tf.name_scope(f"{scope(index)}/"):
            weights = _decoded_weights(index, member, variables, after=outputs[-1:])
            decoded.extend(value for value in weights.values() if value.op.name.endswith(DECODED))
            outputs.append(_member_output(member, weights, frames))
    return outputs


def _decoded_weights(
    index: int, member: Member, variables: dict[str, Variable], after: Sequence[Any]
) -> dict[str, Any]:
    import tensorflow as tf

    weights = {}
    for tensor in member.tensors:
        codec = member.stored.codec(tensor)
        names = {part: variable_name(index, tensor.name, part) for part in codec.layout(tensor.shape)}
        parts = {part: variables[name].read(after) for part, name in names.items()}
        value = codec.decode_in_graph(parts, tensor.shape)
        if value is not parts[MAIN]:
            with tf.compat.v1.name_scope(None):
                value = tf.identity(value, name=names[MAIN] + DECODED)
        weights[tensor.name] = value
    return weights


def _member_output(member: Member, weights: dict[str, Any], frames: Any) -> Any:
    """The operations of the member's Keras model, with `weights` in the place of its variables."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise GraphError(
            f"expected Keras on TensorFlow to build a graph, got Keras on {keras.backend.backend()}; set "
            "KERAS_BACKEND=tensorflow"
        )
    from models.layers.base import blank_variables

    with tf.Graph().as_default(), blank_variables():  # a graph only notes its variables, nothing is allocated
        model = registry.build(member.family, **member.complete)
    mapping = [(model.tensor_variables[name], value) for name, value in weights.items()]
    with keras.StatelessScope(mapping, initialize_variables=False), warnings.catch_warnings():
        # Of a model with a single cluster, which is what its hyperparameters ask for.
        warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
        return model({"frames": frames}, training=False)


def _blend(outputs: Sequence[Any], members: Sequence[Member], blend: Blend) -> Any:
    import tensorflow as tf

    with tf.name_scope("blend"):
        if blend == "logit":
            outputs = [_logit(output) for output in outputs]
        total = tf.add_n([output * member.weight for output, member in zip(outputs, members, strict=True)])
        return tf.sigmoid(total) if blend == "logit" else total


def _logit(probabilities: Any) -> Any:
    import tensorflow as tf

    kept = tf.clip_by_value(probabilities, LOGIT_EPSILON, 1 - LOGIT_EPSILON)
    return tf.math.log(kept) - tf.math.log1p(-kept)
