"""The operations of a SavedModel within the one graph, fed with its frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.graph.foreign.saved_model import VECTOR_RANK, Opened, SavedModelMember
from gapsack.models.graph.loading import reading
from gapsack.models.graph.variables import Variable
from gapsack.models.tasks import View
from gapsack.models.tasks.youtube8m import YouTube8M
from gapsack.models.tasks.youtube8m.graph import dequantize, seen_frames
from gapsack.selection.errors import InputError

COLOCATION = "_class"


def member_output(
    opened: Opened,
    member: SavedModelMember,
    variables: Mapping[str, Variable],
    inputs: Mapping[str, Any],
    task: YouTube8M,
) -> Any:
    """Lay down a SavedModel in the current graph; its probabilities [batch, classes].

    Args:
        opened: Its signature.
        member: What it is.
        variables: Those of the current graph by the name of the placeholder in the signature.
        inputs: Of the graph, as the task says.
        task: Of the graph.

    Raises:
        InputError: It cannot read data of this level.
    """

    with reading(member.directory):
        return _laid_down(opened, member, variables, inputs, task)


def _laid_down(
    opened: Opened,
    member: SavedModelMember,
    variables: Mapping[str, Variable],
    inputs: Mapping[str, Any],
    task: YouTube8M,
) -> Any:
    import tensorflow as tf

    frames, num_frames = inputs["frames"], inputs["num_frames"]
    if task.level == "video":
        seen, counts = _video_level(opened, member, frames), num_frames
    elif opened.rank == VECTOR_RANK:
        raise InputError(
            f"expected a model of frames for data of frame level, got {member.name}, which takes a vector a video"
        )
    else:
        seen, counts = _frame_level(opened, member, frames, num_frames, task.max_frames)
    seen = tf.cast(seen, opened.dtype)
    fed = {
        tensor.name: seen if columns == slice(None) else seen[..., columns]
        for tensor, columns in opened.columns(task) or ()
    }
    if opened.num_frames is not None:
        fed[opened.num_frames.name] = tf.cast(counts, opened.num_frames.dtype)
    fed |= {placeholder: variable.handle for placeholder, variable in variables.items()}
    fed |= {placeholder: tf.constant(values) for placeholder, values in opened.constants.items()}
    definition = opened.function.graph.as_graph_def()
    for node in definition.node:
        node.attr.pop(COLOCATION, None)  # operations are renamed, and one device runs them all
        node.device = ""
    (output,) = tf.graph_util.import_graph_def(
        definition, input_map=fed, return_elements=[opened.predictions.name], name="saved_model"
    )
    return tf.ensure_shape(tf.cast(output, tf.float32), [None, task.classes])


def _video_level(opened: Opened, member: SavedModelMember, frames: Any) -> Any:
    if not opened.dtype.is_floating:
        raise InputError(
            f"expected a model of float32 vectors for data of video level, got {member.name}, which takes "
            f"{opened.dtype.name} frames"
        )
    return frames[:, 0] if opened.rank == VECTOR_RANK else frames


def _frame_level(
    opened: Opened, member: SavedModelMember, frames: Any, num_frames: Any, max_frames: int
) -> tuple[Any, Any]:
    """Frames and counts as the model wants them: sampled or all, padded to its fixed length, as bytes or features."""
    import tensorflow as tf

    length = opened.length
    if opened.num_frames is None:
        view = View(length or member.sample_frames)
        sampled = seen_frames({"frames": frames, "num_frames": num_frames}, view, max_frames)
        seen, counts = sampled["frames"], sampled["num_frames"]
    else:
        most = min(length or max_frames, max_frames)
        seen, counts = frames[:, :most], tf.minimum(num_frames, most)
        if length is not None:
            missing = length - tf.shape(seen)[1]
            seen = tf.ensure_shape(tf.pad(seen, [[0, 0], [0, missing], [0, 0]]), [None, length, frames.shape[-1]])
    if opened.dtype.is_floating:
        seen = dequantize(seen, counts)
    return seen, counts
