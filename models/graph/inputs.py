"""What the graph takes in: raw frames and their counts, or the serialized records that hold them."""

from __future__ import annotations

from typing import Any

from gapsack.models.graph.shared import Shared


def parse_frame_level(serialized: Any, shared: Shared) -> tuple[Any, Any]:
    """Serialized `SequenceExample`s [batch] -> frames uint8 [batch, longest, width], num_frames int32 [batch].

    Frames beyond a video's end are zero bytes, which sampling never picks.
    """
    import tensorflow as tf

    widths = {"rgb": shared.rgb, "audio": shared.audio}
    wanted = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in widths}
    _, features, lengths = tf.io.parse_sequence_example(serialized, sequence_features=wanted)
    parts = [tf.io.decode_raw(features[name], tf.uint8, fixed_length=width) for name, width in widths.items()]
    return tf.concat(parts, axis=-1), tf.cast(lengths["rgb"], tf.int32)


def parse_video_level(serialized: Any, shared: Shared) -> tuple[Any, Any]:
    """Serialized `Example`s [batch] -> frames float32 [batch, 1, width], num_frames int32 [batch] of ones."""
    import tensorflow as tf

    widths = {"mean_rgb": shared.rgb, "mean_audio": shared.audio}
    wanted = {name: tf.io.FixedLenFeature([1, width], tf.float32) for name, width in widths.items()}
    features = tf.io.parse_example(serialized, wanted)
    return tf.concat([features[name] for name in wanted], axis=-1), tf.ones_like(serialized, tf.int32)


def sample(frames: Any, num_frames: Any, sample_frames: int, max_frames: int) -> Any:
    """Evenly spaced frames of each video: [batch, longest, width] -> [batch, sample_frames, width].

    Index i is floor((2 i + 1) n / (2 S)), in integers, with n the video's frames within 1…`max_frames` and within what
    was given, and S `sample_frames`: the reader's fixed choice in evaluation.
    """
    import tensorflow as tf

    given = tf.minimum(tf.shape(frames)[1], max_frames)
    count = tf.maximum(tf.minimum(num_frames, given), 1)
    index = (2 * tf.range(sample_frames) + 1)[tf.newaxis] * count[:, tf.newaxis] // (2 * sample_frames)
    return tf.gather(frames, index, batch_dims=1)


def dequantize(frames: Any, num_frames: Any) -> Any:
    """Features of uint8 frames [batch, longest, width], float32: q 4/255 + 4/512 - 2, zero beyond `num_frames`."""
    import tensorflow as tf

    features = tf.cast(frames, tf.float32) * (4 / 255) + (4 / 512 - 2)
    return features * tf.sequence_mask(num_frames, tf.shape(frames)[1], tf.float32)[..., tf.newaxis]
