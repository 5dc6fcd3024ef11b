"""What a model stores, as plain data: every tensor's name, shape and role, without a backend.

A family lists its tensors once. Sizes are counted from the list, the model's variables are made from it, checkpoints
and graphs are checked against it; so a shape is written down in one place.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
"""Of tensors, by name."""


@dataclass(frozen=True)
class Tensor:
    """One stored tensor.

    Attributes:
        name: Name in checkpoints and in the graph: where there is a reference implementation, that of its variable,
            without ":0".
        shape: All dimensions, in storage order.
        mean: Initial value, or the mean of the initial values.
        deviation: Standard deviation of normal initial values; 0 makes them all equal to `mean`.
        trainable: False for moving statistics.
        group: Of the matrices that hold nearly all bytes; precisions shrink these, each group in its own way where they
            are mixed. None leaves a tensor among the others, of which a precision may shrink matrices.
        decayed: The training loss has an L2 term on it.
    """

    name: str
    shape: tuple[int, ...]
    mean: float = 0.0
    deviation: float = 0.0
    trainable: bool = True
    group: str | None = None
    decayed: bool = False

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def large(self) -> bool:
        """Whether it is one of those that hold nearly all bytes."""
        return self.group is not None

    @property
    def is_matrix(self) -> bool:
        """Whether it has rows and columns, as biases, norms and their statistics have not."""
        return len(self.shape) > 1


def groups_of(tensors: Iterable[Tensor]) -> tuple[str, ...]:
    """The groups of a model's large tensors, in the order of the tensors: what the name of a mixed precision lists."""
    return tuple(dict.fromkeys(tensor.group for tensor in tensors if tensor.group is not None))


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
        Tensor(f"{scope}/conv2/cluster_weights", (features, clusters), deviation=deviation),
        *batch_norm(f"{scope}/cluster_bn", clusters),
        Tensor(f"{scope}/cluster_weights2/cluster_weights2", (1, features, clusters), deviation=deviation),
    ]


def activations_of(tensors: tuple[Tensor, ...], *, frames: int = 1, framewise: Collection[str] = ()) -> int:
    """Values that matrices take in and give for one example.

    Those named `framewise` multiply each of `frames` frames, whose own values the caller counts; others one vector.
    """
    count = 0
    for tensor in tensors:
        if len(tensor.shape) > 1:
            rows, columns = tensor.shape[-2:]
            count += frames * columns if tensor.name in framewise else rows + columns
    return count
