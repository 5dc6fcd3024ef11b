"""Frames as features, in `keras.ops` alone, so that models of either backend can take bytes."""

from __future__ import annotations

from typing import Any

from keras import ops

from gapsack.models.tasks.youtube8m.quantization import features_of


def dequantized(frames: Any, num_frames: Any = None) -> Any:
    """Float32 features of frames [batch, frames, width]: those of bytes, while others stay as they are.

    With `num_frames` int32 [batch], frames from there on are zeros, as in the YouTube-8M reader.
    """
    features = ops.cast(frames, "float32")
    if str(ops.dtype(frames)) == "uint8":
        features = features_of(features)
    return features if num_frames is None else features * real_frames(frames, num_frames)


def real_frames(frames: Any, num_frames: Any) -> Any:
    """1 for frames that are a video's own and 0 for those beyond its end, float32 [batch, frames, 1]."""
    places = ops.arange(frames.shape[1], dtype="int32")
    return ops.cast(ops.expand_dims(places, 0) < ops.expand_dims(num_frames, 1), "float32")[..., None]
