"""What a model stores, as plain data: every tensor's name, shape and role, without a backend.

A family lists its tensors once. Sizes are counted from the list, the model's variables are made from it, checkpoints
and graphs are checked against it; so a shape is written down in one place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Tensor:
    """One stored tensor.

    Attributes:
        name: The TensorFlow 1 variable name of the reference implementation, without ":0".
        shape: All dimensions, in storage order.
        mean: Initial value, or the mean of the initial values.
        deviation: Standard deviation of normal initial values; 0 makes them all equal to `mean`.
        trainable: False for moving statistics.
        large: One of the matrices that hold nearly all bytes; precisions shrink these and leave the rest float32.
        decayed: The training loss has an L2 term on it.
        framewise: A matrix that multiplies every frame, not once a video: what it gives takes memory for each frame.
    """

    name: str
    shape: tuple[int, ...]
    mean: float = 0.0
    deviation: float = 0.0
    trainable: bool = True
    large: bool = False
    decayed: bool = False
    framewise: bool = False

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def batch_norm(scope: str, width: int) -> list[Tensor]:
    """The four tensors of a batch norm over `width` features."""
    return [
        Tensor(f"{scope}/beta", (width,)),
        Tensor(f"{scope}/gamma", (width,), mean=1.0),
        Tensor(f"{scope}/moving_mean", (width,), trainable=False),
        Tensor(f"{scope}/moving_variance", (width,), mean=1.0, trainable=False),
    ]


def netvlad(scope: str, features: int, clusters: int) -> list[Tensor]:
    """The tensors of a NetVLAD: assignment weights, their batch norm, and centres of their own."""
    deviation = 1 / math.sqrt(features)
    return [
        Tensor(f"{scope}/conv2/cluster_weights", (features, clusters), deviation=deviation, framewise=True),
        *batch_norm(f"{scope}/cluster_bn", clusters),
        Tensor(f"{scope}/cluster_weights2/cluster_weights2", (1, features, clusters), deviation=deviation),
    ]
