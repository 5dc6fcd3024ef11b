"""Precisions: how a member's tensors are stored, and how the graph turns them back into float32.

A precision gives every tensor a codec. A codec knows its exact bytes from a shape alone, encodes a float32
array into a few stored arrays, and decodes those in numpy and inside a TensorFlow graph. Only the large
tensors of a family are stored small; all others stay float32.

Importing this package imports neither TensorFlow nor Keras.
"""

from gapsack.models.precisions.codec import Codec, Part
from gapsack.models.precisions.precision import Precision, check_name, mixed, names, precision, roundtrip, uses_moments

__all__ = ["Codec", "Part", "Precision", "check_name", "mixed", "names", "precision", "roundtrip", "uses_moments"]
