"""Distillation: a loss of a teacher's probabilities beside that of the labels.

Hinton et al. 2015 (arXiv 1503.02531); the 2018 winners' form is a weight of one half and no temperature.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

TARGETS = "teacher"
"""Name of a teacher's probabilities, float32 [batch, classes], among a batch's inputs."""


class Teaching(BaseModel):
    """How much of the loss is a teacher's.

    Attributes:
        weight: Its share; the labels have the rest.
        temperature: Both sides' logits are divided by it in the teacher's part, whose gradients grow by its square; 1
            compares probabilities as they are.

    Raises:
        ValidationError: names every value out of range; a `Recipe` makes an InputError of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    temperature: PositiveFloat = 1.0
