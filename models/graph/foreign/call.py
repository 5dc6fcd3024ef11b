"""The operations of a SavedModel within the one graph, fed with its frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.models.graph.foreign.saved_model import Opened, SavedModelMember
from gapsack.models.graph.inputs import dequantize, sample
from gapsack.models.graph.variables import Variable
from gapsack.selection.errors import InputError

COLOCATION = "_class"


def member_output(
    opened: Opened,
    member: SavedModelMember,
    variables: Mapping[str, Variable],
    frames: Any,
    num_frames: Any,
    *,
    level: str,
    max_frames: int,
) -> Any:
    """Lay down a SavedModel in the current graph; its probabilities [batch, classes].

    Args:
        opened: Its signature.
        member: What it is.
        variables: Those of the current graph by the name of the placeholder in the signature.
        frames: uint8 [batch, longest, width] at frame level, float32 [batch, 1, width] at video level.
        num_frames: int32 [batch].
        level: "frame" or "video".
        max_frames: Frames used of a video at most.

    Raises:
        InputError: It cannot read data of this level.
    """
    import tensorflow as tf

    if level == "video":
        seen, counts = _video_level(opened, member, frames), num_frames
    elif opened.frames.shape.rank != 3:
        raise InputError(
            f"expected a model of frames for data of frame level, got {member.name}, which takes a vector a video"
        )
    else:
        seen, counts = _frame_level(opened, member, frames, num_frames, max_frames)
    fed = {opened.frames.name: seen}
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
    return tf.ensure_shape(output, [None, member.shared.classes])


def _video_level(opened: Opened, member: SavedModelMember, frames: Any) -> Any:
    if opened.frames.dtype.name != "float32":
        raise InputError(
            f"expected a model of float32 vectors for data of video level, got {member.name}, which takes "
            f"{opened.frames.dtype.name} frames"
        )
    return frames[:, 0] if opened.frames.shape.rank == 2 else frames


def _frame_level(
    opened: Opened, member: SavedModelMember, frames: Any, num_frames: Any, max_frames: int
) -> tuple[Any, Any]:
    """Frames and counts as the model wants them: sampled or all, padded to its fixed length, as bytes or features."""
    import tensorflow as tf

    length = opened.frames.shape[1]
    if opened.num_frames is None:
        count = length or member.sample_frames
        seen = sample(frames, num_frames, count, max_frames)
        counts = tf.fill(tf.shape(num_frames), count)
    else:
        most = min(length or max_frames, max_frames)
        seen, counts = frames[:, :most], tf.minimum(num_frames, most)
        if length is not None:
            missing = length - tf.shape(seen)[1]
            seen = tf.ensure_shape(tf.pad(seen, [[0, 0], [0, missing], [0, 0]]), [None, length, frames.shape[-1]])
    if opened.frames.dtype.name == "float32":
        seen = dequantize(seen, counts)
    return seen, counts
