"""YouTube-8M in the one graph: records are parsed, frames sampled, all by TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gapsack.models.tasks.task import Received, View
from gapsack.models.tasks.youtube8m.quantization import features_of


def frame_records(features: Mapping[str, int]) -> Received:
    """Records with frames are parsed into these and their counts; who has those feeds them in the place of records.

    `features` make a frame, one after the other: names and numbers of values.
    """
    return _records(parse_frame_level, features, places=None)


def video_records(features: Mapping[str, int]) -> Received:
    """`frame_records` for records with one vector a video, which is its only frame."""
    return _records(parse_video_level, features, places=1)


def _records(
    parse: Callable[[Any, Mapping[str, int]], tuple[Any, Any]], features: Mapping[str, int], places: int | None
) -> Received:
    import tensorflow as tf

    serialized = tf.compat.v1.placeholder(tf.string, [None], name="serialized")
    with tf.name_scope("parse"):
        frames, num_frames = parse(serialized, features)
    frames = tf.identity(tf.ensure_shape(frames, [None, places, sum(features.values())]), name="frames")
    return Received(serialized, {"frames": frames, "num_frames": tf.identity(num_frames, name="num_frames")})


def challenge_features(width: int) -> Received:
    """Dequantized frames, float32 [batch, longest, width], under the name that the challenge gave them."""
    import tensorflow as tf

    v1 = tf.compat.v1
    frames = v1.placeholder(tf.float32, [None, None, width], name="input_batch_raw")
    return Received(None, {"frames": frames, "num_frames": v1.placeholder(tf.int32, [None], name="num_frames")})


def parse_frame_level(serialized: Any, widths: Mapping[str, int]) -> tuple[Any, Any]:
    """Serialized `SequenceExample`s [batch] -> frames uint8 [batch, longest, width], num_frames int32 [batch].

    Frames beyond a video's end are zero bytes, which sampling never picks.
    """
    import tensorflow as tf

    wanted = {name: tf.io.FixedLenSequenceFeature([], tf.string) for name in widths}
    _, features, lengths = tf.io.parse_sequence_example(serialized, sequence_features=wanted)
    parts = [tf.io.decode_raw(features[name], tf.uint8, fixed_length=width) for name, width in widths.items()]
    return tf.concat(parts, axis=-1), tf.cast(lengths[next(iter(widths))], tf.int32)


def parse_video_level(serialized: Any, widths: Mapping[str, int]) -> tuple[Any, Any]:
    """Serialized `Example`s [batch] -> frames float32 [batch, 1, width], num_frames int32 [batch] of ones."""
    import tensorflow as tf

    wanted = {name: tf.io.FixedLenFeature([1, width], tf.float32) for name, width in widths.items()}
    features = tf.io.parse_example(serialized, wanted)
    return tf.concat([features[name] for name in wanted], axis=-1), tf.ones_like(serialized, tf.int32)


def seen_frames(inputs: Mapping[str, Any], view: View, max_frames: int) -> dict[str, Any]:
    """Frames and counts as a member sees them."""
    import tensorflow as tf

    frames, num_frames = inputs["frames"], inputs["num_frames"]
    if not view.whole:
        sampled = sample(frames, num_frames, view.sample_frames, max_frames)
        return {"frames": sampled, "num_frames": tf.fill(tf.shape(num_frames), view.sample_frames)}
    given = tf.minimum(tf.shape(frames)[1], min(view.sample_frames, max_frames))
    # Beyond what is given the last frame comes again: LiteRT pads no bytes, and members see zeros beyond `num_frames`.
    index = tf.minimum(tf.range(view.sample_frames), given - 1)
    return {"frames": tf.gather(frames, index, axis=1), "num_frames": tf.minimum(num_frames, given)}


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
    """Features of uint8 frames [batch, longest, width], float32, zero beyond `num_frames`."""
    import tensorflow as tf

    features = features_of(tf.cast(frames, tf.float32))
    return features * tf.sequence_mask(num_frames, tf.shape(frames)[1], tf.float32)[..., tf.newaxis]
