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
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from gapsack.models.precisions.pruned import largest_magnitudes
from gapsack.models.tensors import Tensor

BEGIN_SHARE, END_SHARE = 0.1, 0.7
"""Of a training's steps: where pruning begins and ends by default, so that the rest mends what was lost."""
PRUNINGS = 100
"""How often weights are pruned by default."""

_KINDS = ("weights", "adam_m", "average")
"""Slots that are zero where a weight is pruned."""


class Pruning(BaseModel):
    """Gradual magnitude pruning, as a person asks for it: steps that are None follow from the length of the training.

    Attributes:
        sparsity: Share of each large tensor that is zero in the end, in (0, 1).
        begin_step: Steps done when the sparsity starts to grow from 0.
        end_step: Steps done when it is reached; the zeros stay where they are from then on.
        every_steps: Steps from one pruning to the next; the last one is at `end_step` whatever this is.

    Raises:
        ValidationError: names every value out of range; a `Recipe` makes an InputError of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    sparsity: Annotated[float, Field(gt=0, lt=1)]
    begin_step: NonNegativeInt | None = None
    end_step: PositiveInt | None = None
    every_steps: PositiveInt | None = None

    def schedule(self, steps: int) -> PruningSchedule:
        """The schedule in a training of so many steps.

        Raises:
            ValueError: the steps are not in order.
        """
        begin = int(BEGIN_SHARE * steps) if self.begin_step is None else self.begin_step
        end = max(1, int(END_SHARE * steps)) if self.end_step is None else self.end_step
        if not begin < end <= steps:
            raise ValueError(
                f"expected begin_step < end_step <= steps {steps}, got begin_step {begin} and end_step {end}"
            )
        every = max(1, (end - begin) // PRUNINGS) if self.every_steps is None else self.every_steps
        return PruningSchedule(self.sparsity, begin, end, every)


@dataclass(frozen=True)
class PruningSchedule:
    """When how much is pruned: a `Pruning` with every step known."""

    sparsity: float
    begin_step: int
    end_step: int
    every_steps: int

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


def prune(variables: Mapping[str, Any], tensors: Iterable[Tensor], pruning: PruningSchedule, step: int) -> None:
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
