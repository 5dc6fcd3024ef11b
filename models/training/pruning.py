"""Gradual magnitude pruning: more and more of each large tensor becomes zero while training mends the damage.

The cubic schedule is Zhu & Gupta 2017 (arXiv 1710.01878), section 3. Which weights are pruned needs no state of its
own: they are the zeros. At a pruning step, weights, Adam's first moments and averaged weights are set to zero there;
afterwards a zero weight has a zero gradient, so each of the three stays exactly zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from gapsack.models.precisions.pruned import largest_magnitudes
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

_KINDS = ("weights", "adam_m", "average")
"""Slots that are zero where a weight is pruned."""


@dataclass(frozen=True)
class Pruning:
    """When how much is pruned; InputError names every value out of range at once.

    Attributes:
        sparsity: Share of each large tensor that is zero in the end, in (0, 1).
        begin_step: Steps done when the sparsity starts to grow from 0.
        end_step: Steps done when it is reached; the zeros stay where they are from then on.
        every_steps: Steps from one pruning to the next; the last one is at `end_step` whatever this is.
    """

    sparsity: float
    begin_step: int
    end_step: int
    every_steps: int = 100

    def __post_init__(self) -> None:
        rules = [
            ("sparsity", 0 < self.sparsity < 1, "between 0 and 1"),
            ("begin_step", self.begin_step >= 0, "at least 0"),
            ("end_step", self.end_step > self.begin_step, f"above begin_step {self.begin_step}"),
            ("every_steps", self.every_steps > 0, "above 0"),
        ]
        problems = [
            f"{name} must be {wanted}, got {getattr(self, name)!r}" for name, valid, wanted in rules if not valid
        ]
        if problems:
            raise InputError(f"pruning: {'; '.join(problems)}")

    def is_due(self, step: int) -> bool:
        """Whether to prune when `step` steps are done."""
        since = step - self.begin_step
        return step == self.end_step or (step < self.end_step and since > 0 and since % self.every_steps == 0)

    def sparsity_at(self, step: int) -> float:
        """Sparsity in force when `step` steps are done: s_f + (0 - s_f) (1 - (t - t_0) / (t_end - t_0))^3 for the last
        step t <= `step` that pruned."""
        if step >= self.end_step:
            return self.sparsity
        since = max(0, step - self.begin_step) // self.every_steps * self.every_steps
        return self.sparsity * (1 - (1 - since / (self.end_step - self.begin_step)) ** 3)

    def zeros_at(self, step: int, count: int) -> int:
        """Zeros of a tensor of `count` weights when `step` steps are done, rounded down.

        In the end exactly as many as the pruned precisions leave out, whatever float arithmetic makes of the share.
        """
        final = math.floor(Fraction(repr(float(self.sparsity))) * count)
        return final if step >= self.end_step else min(final, math.floor(self.sparsity_at(step) * count))


def prune(variables: Mapping[str, Any], tensors: Iterable[Tensor], pruning: Pruning, step: int) -> None:
    """Set the smallest weights of each large tensor to zero, as many as the schedule says after `step` steps.

    `variables` are those of `Slots`. Magnitudes are ordered on the host, one tensor at a time, by the rule of the
    pruned precisions (ties by position): every backend prunes the same weights, and storing them loses none of the
    others.
    """
    from keras import ops

    for tensor in tensors:
        if tensor.large:
            weight = np.asarray(ops.convert_to_numpy(variables[f"weights/{tensor.name}"]))
            kept = largest_magnitudes(weight.reshape(-1), tensor.count - pruning.zeros_at(step, tensor.count))
            mask = kept.reshape(tensor.shape)
            for variable in (variables.get(f"{kind}/{tensor.name}") for kind in _KINDS):
                if variable is not None:
                    variable.assign(ops.where(mask, ops.convert_to_tensor(variable), 0.0))
