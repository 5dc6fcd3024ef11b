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
from typing import Any

from gapsack.models import registry
from gapsack.models.errors import GraphError
from gapsack.models.graph.blending import Blend, blended
from gapsack.models.graph.foreign import call as foreign_call
from gapsack.models.graph.foreign import saved_model as foreign
from gapsack.models.graph.foreign.saved_model import Opened, SavedModelMember
from gapsack.models.graph.members import AnyMember, Member, check_members, variable_name
from gapsack.models.graph.names import scope
from gapsack.models.graph.sharing import NOTHING_SHARED, Sharing
from gapsack.models.graph.variables import Restore, Variable, add_restore, declare
from gapsack.models.precisions import Part
from gapsack.models.precisions.codec import MAIN
from gapsack.models.tasks import Task, View
from gapsack.selection.errors import InputError

DECODED = "/decoded"
"""Ends the names of operations that hold decoded weights."""

OUTPUTS = {"predictions": "predictions:0", "top_indices": "top:1", "top_scores": "top:0"}
"""Tensors of the graph by what they are in a signature."""


@dataclass(frozen=True)
class GraphNetwork:
    """The graph and its tensors that have a meaning outside.

    Attributes:
        graph: The `tf.Graph`.
        restore: What fills the variables.
        serialized: Records, string [batch]; None in a graph that takes features, and where the task has no records.
        inputs: What the task's examples are made of, by name; features where the graph takes those.
        decoded: Float32 tensors that stored weights are decoded to, `<variable>/decoded`; none for float32 ones.
        predictions: float32 [batch, classes].
        top_indices: int32 [batch, k], classes by descending score, ties by lower class.
        top_scores: float32 [batch, k].
    """

    graph: Any
    restore: Restore
    serialized: Any
    inputs: dict[str, Any]
    decoded: list[Any]
    predictions: Any
    top_indices: Any
    top_scores: Any


def build_network(
    members: Sequence[AnyMember],
    *,
    task: Task,
    blend: Blend = "probability",
    top_k: int = 20,
    takes_features: bool = False,
    sharing: Sharing = NOTHING_SHARED,
    plain: bool = False,
) -> GraphNetwork:
    """Lay down the whole ensemble; arguments as for `build_graph`, `sharing` and `plain` as in `WriteOptions`.

    With `takes_features` the graph takes float32 features in the place of bytes and records.

    Raises:
        InputError: As `check_members`, or for an unknown blend.
        GraphError: Keras runs on another backend than TensorFlow.
    """
    import tensorflow as tf

    check_members(members, task)
    if blend not in ("probability", "logit"):
        raise InputError(f"expected the blend probability or logit, got {blend!r}")
    if takes_features and (others := [m.name for m in members if isinstance(m, SavedModelMember)]):
        raise GraphError(
            "expected models of known families in a graph that takes features (a MetaGraph), got SavedModels from "
            f"elsewhere: {', '.join(others)}; a SavedModel can hold them"
        )
    opened = {
        index: foreign.open_saved_model(member.directory, member.output)
        for index, member in enumerate(members)
        if isinstance(member, SavedModelMember)
    }
    graph = tf.Graph()
    with graph.as_default():
        received = task.receive(as_features=takes_features)
        variables = _variables(members, opened, sharing)
        decoded: list[Any] = []
        seen = _Inputs(task, received.inputs)
        outputs = _member_outputs(members, opened, variables, seen, decoded, sharing=sharing, plain=plain)
        predictions = tf.identity(blended(outputs, [member.weight for member in members], blend), name="predictions")
        scores, indices = tf.math.top_k(predictions, min(top_k, task.classes), name="top")
        restore = add_restore(list(variables.values()))
    return GraphNetwork(graph, restore, received.serialized, received.inputs, decoded, predictions, indices, scores)


@dataclass(frozen=True)
class _Inputs:
    """What members see."""

    task: Task
    inputs: dict[str, Any]

    def seen(self, members: Sequence[AnyMember]) -> dict[View, Any]:
        """Inputs by view; members that see alike see the same tensors."""
        import tensorflow as tf

        seen: dict[View, Any] = {}
        views = {member.view for member in members if isinstance(member, Member)}
        for view in sorted(views, key=lambda view: (view.sample_frames, view.whole)):
            with tf.name_scope(f"{'whole' if view.whole else 'sample'}{view.sample_frames}"):
                seen[view] = self.task.seen(self.inputs, view)
        return seen


def _variables(members: Sequence[AnyMember], opened: dict[int, Opened], sharing: Sharing) -> dict[str, Variable]:
    declared = {}
    for index, member in enumerate(members):
        if isinstance(member, Member):
            layouts = _layouts(index, member, sharing)
        else:
            layouts = foreign.layouts(opened[index], index)
        declared.update({name: declare(name, layout) for name, layout in layouts.items()})
    return declared


def _layouts(index: int, member: Member, sharing: Sharing) -> dict[str, Part]:
    return {
        variable_name(index, member, tensor.name, part): layout
        for tensor in member.tensors
        if sharing.place(index, tensor.name) == index
        for part, layout in member.stored.codec(tensor).layout(tensor.shape).items()
    }


def _member_outputs(
    members: Sequence[AnyMember],
    opened: dict[int, Opened],
    variables: dict[str, Variable],
    inputs: _Inputs,
    decoded: list[Any],
    *,
    sharing: Sharing,
    plain: bool,
) -> list[Any]:
    """Probabilities of each member, one after the other: so that one member's decoded weights are held at a time."""
    import tensorflow as tf

    outputs: list[Any] = []
    seen = inputs.seen(members)
    for index, member in enumerate(members):
        with tf.name_scope(f"{scope(index)}/"):
            if not isinstance(member, Member):
                outputs.append(_foreign_output(member, opened[index], index, variables, inputs))
                continue
            weights = _decoded_weights(index, member, variables, sharing, after=outputs[-1:])
            decoded.extend(value for value in weights.values() if value.op.name.endswith(DECODED))
            outputs.append(_member_output(member, weights, seen[member.view], plain=plain))
    return outputs


def _foreign_output(
    member: SavedModelMember, opened: Opened, index: int, variables: dict[str, Variable], inputs: _Inputs
) -> Any:
    own = {placeholder: variables[name] for placeholder, name in opened.names(index).items()}
    for variable in own.values():
        variable.read(())  # the model reads by itself; a variable's definition names a read of its own
    task = foreign.check_task(opened, member, inputs.task)
    return foreign_call.member_output(opened, member, own, inputs.inputs, task)


def _decoded_weights(
    index: int, member: Member, variables: dict[str, Variable], sharing: Sharing, after: Sequence[Any]
) -> dict[str, Any]:
    """Weights of a member by tensor. Those that lie in another's variables are read and decoded again, and let go."""
    import tensorflow as tf

    weights = {}
    for tensor in member.tensors:
        codec, place = member.stored.codec(tensor), sharing.place(index, tensor.name)
        names = {part: variable_name(place, member, tensor.name, part) for part in codec.layout(tensor.shape)}
        parts = {part: variables[name].read(after) for part, name in names.items()}
        value = codec.decode_in_graph(parts, tensor.shape)
        if value is not parts[MAIN]:
            with tf.compat.v1.name_scope(None):
                value = tf.identity(value, name=variable_name(index, member, tensor.name, MAIN) + DECODED)
        weights[tensor.name] = value
    return weights


def _member_output(member: Member, weights: dict[str, Any], inputs: dict[str, Any], *, plain: bool) -> Any:
    """The operations of the member's Keras model, with `weights` in the place of its variables."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise GraphError(
            f"expected Keras on TensorFlow to build a graph, got Keras on {keras.backend.backend()}; set "
            "KERAS_BACKEND=tensorflow"
        )
    from gapsack.models.layers.base import blank_variables
    from gapsack.models.layers.inference import inference_kernels

    with tf.Graph().as_default(), blank_variables():  # a graph only notes its variables, nothing is allocated
        model = registry.build(member.family, **member.complete)
    if not plain:
        model.run_with(inference_kernels())
    mapping = [(model.tensor_variables[name], value) for name, value in weights.items()]
    with keras.StatelessScope(mapping, initialize_variables=False), warnings.catch_warnings():
        # Of a model with a single cluster, which is what its hyperparameters ask for.
        warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
        return model(inputs, training=False)
