"""What a training step of gated NetVLAD must do at the least: operations of its matrix products, and bytes moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gapsack.models import sizes

# Of a trainable float32 value: read forward and backward; weight and both moments of Adam read and written. A gradient
# need not be stored: its norm comes from its factors.
BYTES_OF_A_WEIGHT = 4 * (2 + 6)
# Of a float32 activation: written and read forward, read backward; its gradient written, and read for both products.
BYTES_OF_AN_ACTIVATION = 4 * (3 + 3)
# Of a frame's byte: scores and descriptor forward, and the gradient of each backward.
READS_OF_A_FRAME = 4


@dataclass(frozen=True)
class StepCost:
    """Operations and bytes of one step.

    Attributes:
        operations: Additions and multiplications in matrix products, two a term.
        moved_bytes: Bytes between memory and processor when everything that can be fused is, and nothing large stays in
            a cache from one use to the next.
    """

    operations: float
    moved_bytes: float

    def seconds(self, operations_per_second: float, bytes_per_second: float) -> float:
        """The shortest a step can take: products and memory traffic one after the other.

        Where they overlap, a step may come out below this: ours takes a third of the products while Adam's numbers are
        on their way.
        """
        return self.operations / operations_per_second + self.moved_bytes / bytes_per_second


def step_cost(hyperparameters: Mapping[str, Any], *, batch: int, frames: int) -> StepCost:
    """The cost of a step on uint8 frames; dense matrices count three products, NetVLADs four of frames by clusters."""
    tensors = sizes.tensors("gated_netvlad", hyperparameters)
    operations = 0.0
    activations = 0.0
    frame_bytes = 0
    for tensor in tensors:
        if tensor.name.endswith("cluster_weights"):
            features, clusters = tensor.shape
            # Assignment, descriptor, and the gradients of both: none flows back into the frames.
            operations += 4 * 2 * batch * frames * features * clusters
            activations += 3 * batch * frames * clusters + 2 * batch * features * clusters
            frame_bytes += features
        elif len(tensor.shape) == 2:
            rows, columns = tensor.shape
            operations += 3 * 2 * batch * rows * columns
            activations += batch * columns
    trainable = sum(tensor.count for tensor in tensors if tensor.trainable)
    moved = (
        BYTES_OF_A_WEIGHT * trainable
        + BYTES_OF_AN_ACTIVATION * activations
        + READS_OF_A_FRAME * batch * frames * frame_bytes
    )
    return StepCost(operations, moved)
