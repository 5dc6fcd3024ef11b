"""What the bytes of YouTube-8M's features stand for: the one definition, whatever library holds them.

A byte q is the feature q * 4/255 + 4/512 - 2, as the starter's `Dequantize` has it for values of -2 to 2.
"""

from __future__ import annotations

from typing import Any

STEP = 4 / 255
"""Between the features of neighbouring bytes."""

LOWEST = 4 / 512 - 2
"""The feature of the byte 0."""


def features_of(values: Any) -> Any:
    """Features of bytes that are float32 by now, any shape: an array of numpy, or a tensor of TensorFlow or Keras."""
    return values * STEP + LOWEST
