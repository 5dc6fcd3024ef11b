"""What a grid file's training section says of a single step."""

from __future__ import annotations

from dataclasses import fields

from models.training import Recipe
from sweep.grid import Training


def training_recipe(training: Training) -> Recipe:
    """The recipe: the section's keys of the same names, and the number of steps.

    Raises:
        InputError: values that do not go together.
    """
    shared = {field.name for field in fields(Recipe)} & set(Training.model_fields)
    return Recipe(total_steps=training.steps, **{name: getattr(training, name) for name in shared})
