"""Frame features as they come off the disk, turned into unit vectors without ever storing the float vectors.

A dequantized byte is affine in the byte (`tasks.youtube8m.quantization`). L2-normalising multiplies the whole
frame by one number. So a unit frame is `codes * gain + shift` with codes (q - 128) / 128 and two numbers a frame, and a
product with a matrix W is `(codes @ W) * gain + shift * sum(W)`: the large tensor that enters matrix products holds
multiples of 1/128, exact even in bfloat16, and only the small results are scaled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from gapsack.models.tasks.youtube8m.float_frames import dequantized
from gapsack.models.tasks.youtube8m.quantization import LOWEST, STEP, features_of

CENTRE = 128  # codes (q - 128) / 128 lie in [-1, 1) and are exact in 8 significant bits; the shift left is near 0
OFFSET = LOWEST + CENTRE * STEP
SMALLEST_SQUARE = 1e-12  # of a frame's norm, as tf.nn.l2_normalize: a frame of zeros stays zeros


class Frames(NamedTuple):
    """Unit frame vectors `codes * gain + shift`.

    Attributes:
        codes: [batch, frames, features].
        gain: [batch, frames, 1].
        shift: [batch, frames, 1]; None where it is 0 throughout, which only kernels for inference make.
    """

    codes: Any
    gain: Any
    shift: Any


def split_frames(frames: Any, rgb: int, dtype: str) -> tuple[Frames, Frames]:
    """Video and audio parts of unit frames.

    Args:
        frames: [batch, frames, rgb + audio]; uint8 is dequantized, anything else is taken as features.
        rgb: Video features of a frame; audio has the rest.
        dtype: Type of the codes that enter matrix products.

    Each frame's whole vector, video and audio together, has norm 1.
    """
    parts = (frames[..., :rgb], frames[..., rgb:])
    if str(ops.dtype(frames)) != "uint8":
        features = [ops.cast(part, "float32") for part in parts]
        gain = inverse_norm(sum(ops.sum(ops.square(part), -1, keepdims=True) for part in features))
        shift = ops.zeros_like(gain)
        return Frames(features[0], gain, shift), Frames(features[1], gain, shift)
    codes = [(ops.cast(part, dtype) - CENTRE) * (1 / CENTRE) for part in parts]
    features = [features_of(ops.cast(part, "float32")) for part in parts]
    inverse = inverse_norm(sum(ops.sum(ops.square(part), -1, keepdims=True) for part in features))
    gain, shift = inverse * (STEP * CENTRE), inverse * OFFSET
    return Frames(codes[0], gain, shift), Frames(codes[1], gain, shift)


def check_frames(frames: Any, width: int) -> Any:
    """The frames, where they are [batch, frames, width]; ValueError otherwise."""
    if len(frames.shape) != 3 or frames.shape[-1] != width:
        raise ValueError(f"expected frames of shape [batch, frames, {width}], got {tuple(frames.shape)}")
    return frames


def unit_frames(frames: Any, num_frames: Any = None) -> Any:
    """`dequantized`, each frame's whole vector L2-normalised; a frame of zeros stays zeros."""
    return unit_vectors(dequantized(frames, num_frames))


def unit_vectors(vectors: Any, axis: int = -1) -> Any:
    """Vectors along `axis` scaled to norm 1 each; zeros stay zeros."""
    return vectors * inverse_norm(ops.sum(ops.square(vectors), axis, keepdims=True))


def inverse_norm(square: Any) -> Any:
    """1 / norm of squared norms, which `SMALLEST_SQUARE` bounds from below."""
    return ops.rsqrt(ops.maximum(square, SMALLEST_SQUARE))
