"""What a training step computes. The defaults are the paper's recipe; all else is off.

Each key is written here once: `sweep.grid.schema.Training`, the section of a grid file, is a `Recipe` with what a trial
needs besides.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gapsack.models.training.pruning import Pruning, PruningSchedule
from gapsack.models.training.teaching import Teaching
from gapsack.selection.errors import InputError


class Recipe(BaseModel):
    """Constants of a training run.

    The loss of a batch is the mean over its videos of sum_classes -(y log(p + 1e-5) + (1 - y) log(1 - p + 1e-5)), plus
    l2 / 2 times the sum of squares of the gates' and experts' matrices (the authors' slim regulariser has the half).
    The optimiser is Adam as TensorFlow 1 has it: beta 0.9 and 0.999, epsilon 1e-8 outside the bias correction.

    Attributes:
        steps: Length of the run, which only the cosine and pruning need.
        batch_size: Videos of a step.
        learning_rate: Of Adam, before the schedule.
        schedule: "staircase" times `decay_rate` every `decay_examples` examples; "cosine" falls to 0 at `steps`.
        decay_rate: Factor of one stair.
        decay_examples: Examples (steps times batch size) on one stair.
        warmup_steps: The rate rises linearly from 0 over the first steps; 0 starts at full rate.
        clip_norm: The gradient of each tensor is scaled down to this norm, L2 term included, as the authors' code does;
            None leaves them.
        global_clip_norm: All gradients are scaled down together to this norm of all of them; not with `clip_norm`.
        batch_norm_decay: Share of batch norm's moving statistics kept each step. The paper's 0.999 forgets the initial
            values over some thousands of steps; a run of hundreds needs less, or it is evaluated with them.
        l2: Weight of the L2 term.
        weight_decay: AdamW's: every matrix shrinks by this times the learning rate each step, apart from the gradient.
        label_smoothing: e in [0, 1): labels become y (1 - e) + e / 2.
        ema_decay: Evaluate an exponential moving average of all weights, batch norm's moving statistics included, of
            this decay a step, which starts at the first weights; None evaluates the weights themselves.
        accumulate: Parts that a batch is cut into, one after the other, to save memory. Batch norm then sees the parts.
        pruning: Gradual magnitude pruning of the large tensors; None prunes nothing.
        teacher: The share that a teacher's predictions have in the loss; None for labels alone. With one, every batch
            brings those predictions among its inputs.
        compute: Type of the matrix products; the rest stays float32. "float16" scales the loss, and skips steps whose
            gradients overflow.
        xla: Compile the step with XLA. None does so where it is faster: on GPUs; JAX always does.
        kernels: What runs the large products and their updates. "cpu" is the plug-in for steps that TensorFlow runs on
            a CPU without XLA, "plain" the backend by itself, and "auto" the plug-in wherever it can run.

    Raises:
        InputError: names every value out of range, or else those that do not go together. Within a grid file pydantic's
            ValidationError stays as it is, because it knows the place of each.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    steps: PositiveInt = 200_000
    batch_size: PositiveInt = 80
    learning_rate: PositiveFloat = 1e-4
    schedule: Literal["staircase", "cosine"] = "staircase"
    decay_rate: Annotated[float, Field(gt=0, le=1)] = 0.8
    decay_examples: PositiveInt = 4_000_000
    warmup_steps: NonNegativeInt = 0
    clip_norm: PositiveFloat | None = 1.0
    global_clip_norm: PositiveFloat | None = None
    batch_norm_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    l2: NonNegativeFloat = 1e-6
    weight_decay: NonNegativeFloat = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    accumulate: PositiveInt = 1
    pruning: Pruning | None = None
    teacher: Teaching | None = None
    compute: Literal["float32", "bfloat16", "float16"] = "float32"
    xla: bool | None = None
    kernels: Literal["auto", "plain", "cpu"] = "auto"

    @field_validator("pruning")
    @classmethod
    def _within_the_run(cls, pruning: Pruning | None, info: ValidationInfo) -> Pruning | None:
        if pruning is not None and "steps" in info.data:  # steps out of range have an error of their own
            pruning.schedule(info.data["steps"])
        return pruning

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.batch_size % self.accumulate:
            raise ValueError(f"expected accumulate to divide batch_size {self.batch_size}, got {self.accumulate}")
        if self.clip_norm is not None and self.global_clip_norm is not None:
            raise ValueError("expected clip_norm: null with global_clip_norm, got both")
        if self.schedule == "cosine":
            defaults = {key: Recipe.model_fields[key].default for key in ("decay_rate", "decay_examples")}
            staircase = [key for key, default in defaults.items() if getattr(self, key) != default]
            if staircase:
                raise ValueError(f"expected no {' and '.join(staircase)} with schedule: cosine, got a value")
            if self.warmup_steps >= self.steps:
                raise ValueError(f"expected warmup_steps below steps {self.steps}, got {self.warmup_steps}")
        if self.kernels == "cpu" and self.xla:
            raise ValueError("expected kernels: auto or plain with xla: true, got cpu")
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _told_as_input(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            if cls is not Recipe:
                raise
            problems = [_sentence(details) for details in error.errors(include_url=False)]
            raise InputError(f"training recipe: {'; '.join(problems)}") from error

    @property
    def clips(self) -> bool:
        """Whether gradients are scaled down at all."""
        return self.clip_norm is not None or self.global_clip_norm is not None

    @property
    def pruning_schedule(self) -> PruningSchedule | None:
        """When how much is pruned, with the steps that `pruning` leaves open; None without pruning."""
        return None if self.pruning is None else self.pruning.schedule(self.steps)

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.schedule == "cosine":
            progress = min(1.0, max(0, step - self.warmup_steps) / (self.steps - self.warmup_steps))
            return self.learning_rate * warmup * (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * warmup * self.decay_rate ** (step * self.batch_size // self.decay_examples)


def _sentence(details: Any) -> str:
    """One of pydantic's errors: `learning_rate must be greater than 0, got 0.0`."""
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    told = str(details["msg"]).replace("Input should be", "must be")
    return f"{'.'.join(str(part) for part in details['loc'])} {told}, got {details['input']!r}"
