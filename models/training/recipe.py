"""What a training step computes. The defaults are the paper's recipe; all else is off."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

from gapsack.models.training.pruning import Pruning
from gapsack.selection.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """Constants of a training run; InputError names every value out of range at once.

    The loss of a batch is the mean over its videos of sum_classes -(y log(p + 1e-5) + (1 - y) log(1 - p + 1e-5)), plus
    l2 / 2 times the sum of squares of the gates' and experts' matrices (the authors' slim regulariser has the half).
    The optimiser is Adam as TensorFlow 1 has it: beta 0.9 and 0.999, epsilon 1e-8 outside the bias correction.

    Attributes:
        learning_rate: Of Adam, before the schedule.
        schedule: "staircase" times `decay_rate` every `decay_examples` examples; "cosine" falls to 0 at `total_steps`.
        decay_rate: Factor of one stair.
        decay_examples: Examples (steps times batch size) on one stair.
        warmup_steps: The rate rises linearly from 0 over the first steps; 0 starts at full rate.
        total_steps: Length of the run, which only the cosine needs.
        batch_size: Videos of a step.
        clip_norm: The gradient of each tensor is scaled down to this norm, L2 term included, as the authors' code does;
            None leaves them.
        global_clip_norm: All gradients are scaled down together to this norm of all of them; not with `clip_norm`.
        l2: Weight of the L2 term.
        batch_norm_decay: Share of batch norm's moving statistics kept each step. The paper's 0.999 forgets the initial
            values over some thousands of steps; a run of hundreds needs less, or it is evaluated with them.
        weight_decay: AdamW's: every matrix shrinks by this times the learning rate each step, apart from the gradient.
        label_smoothing: e in [0, 1): labels become y (1 - e) + e / 2.
        ema_decay: Evaluate an exponential moving average of the weights, of this decay a step; None evaluates the
            weights themselves.
        accumulate: Parts that a batch is cut into, one after the other, to save memory. Batch norm then sees the parts.
        compute: Type of the matrix products; the rest stays float32. "float16" scales the loss, and skips steps whose
            gradients overflow.
        pruning: Gradual magnitude pruning of the large tensors; None prunes nothing.
        xla: Compile the step with XLA. None does so where it is faster: on GPUs; JAX always does.
    """

    learning_rate: float = 1e-4
    schedule: Literal["staircase", "cosine"] = "staircase"
    decay_rate: float = 0.8
    decay_examples: int = 4_000_000
    warmup_steps: int = 0
    total_steps: int | None = None
    batch_size: int = 80
    clip_norm: float | None = 1.0
    global_clip_norm: float | None = None
    l2: float = 1e-6
    batch_norm_decay: float = 0.999
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    ema_decay: float | None = None
    accumulate: int = 1
    compute: Literal["float32", "bfloat16", "float16"] = "float32"
    pruning: Pruning | None = None
    xla: bool | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be {wanted}, got {getattr(self, name)!r}"
            for name, valid, wanted in self._rules()
            if not valid
        ]
        if problems:
            raise InputError(f"training recipe: {'; '.join(problems)}")

    def _rules(self) -> list[tuple[str, bool, str]]:
        finite = {
            field.name: math.isfinite(value)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), int | float)
        }
        known = ("float32", "bfloat16", "float16")
        cosine = self.schedule == "cosine"
        return [
            ("learning_rate", finite["learning_rate"] and self.learning_rate > 0, "above 0"),
            ("schedule", self.schedule in ("staircase", "cosine"), "staircase or cosine"),
            ("decay_rate", 0 < self.decay_rate <= 1, "above 0 and at most 1"),
            ("decay_examples", self.decay_examples > 0, "above 0"),
            ("warmup_steps", self.warmup_steps >= 0, "at least 0"),
            (
                "total_steps",
                not cosine or (self.total_steps or 0) > max(0, self.warmup_steps),
                "above warmup_steps for a cosine",
            ),
            ("batch_size", self.batch_size > 0, "above 0"),
            ("clip_norm", self.clip_norm is None or self.clip_norm > 0, "above 0, or none"),
            (
                "global_clip_norm",
                self.global_clip_norm is None or (self.global_clip_norm > 0 and self.clip_norm is None),
                "above 0 and without clip_norm, or none",
            ),
            ("l2", finite["l2"] and self.l2 >= 0, "at least 0"),
            ("batch_norm_decay", 0 <= self.batch_norm_decay < 1, "at least 0 and below 1"),
            ("weight_decay", finite["weight_decay"] and self.weight_decay >= 0, "at least 0"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "at least 0 and below 1"),
            ("ema_decay", self.ema_decay is None or 0 < self.ema_decay < 1, "between 0 and 1, or none"),
            ("accumulate", self.accumulate > 0 and self.batch_size % self.accumulate == 0, "a divisor of batch_size"),
            ("compute", self.compute in known, f"one of {', '.join(known)}"),
        ]

    @property
    def clips(self) -> bool:
        """Whether gradients are scaled down at all."""
        return self.clip_norm is not None or self.global_clip_norm is not None

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "cosine":
            total = (self.total_steps or 0) - self.warmup_steps
            progress = min(1.0, max(0, step - self.warmup_steps) / total)
            return self.learning_rate * warmup * (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * warmup * self.decay_rate ** (step * self.batch_size // self.decay_examples)
