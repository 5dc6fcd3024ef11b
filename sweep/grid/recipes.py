"""What a grid file's training section says of a single step."""

from __future__ import annotations

from dataclasses import fields

from gapsack.models.training import Pruning, Recipe
from gapsack.selection.errors import InputError
from gapsack.sweep.grid.schema import Training

BEGIN_SHARE, END_SHARE = 0.1, 0.7
"""Of a training's steps: where pruning begins and ends by default, so that the rest mends what was lost."""
PRUNINGS = 100
"""How often weights are pruned by default."""


def training_recipe(training: Training) -> Recipe:
    """The recipe: the section's keys of the same names, the number of steps, and the schedule of pruning.

    Raises:
        InputError: values that do not go together.
    """
    shared = {field.name for field in fields(Recipe)} & set(Training.model_fields) - {"pruning"}
    values = {name: getattr(training, name) for name in shared}
    return Recipe(total_steps=training.steps, pruning=pruning_schedule(training), **values)


def pruning_schedule(training: Training) -> Pruning | None:
    """When how much is pruned, with the steps that are not given; None without pruning.

    Raises:
        InputError: the steps are not in order.
    """
    given = training.pruning
    if given is None:
        return None
    begin = int(BEGIN_SHARE * training.steps) if given.begin_step is None else given.begin_step
    end = max(1, int(END_SHARE * training.steps)) if given.end_step is None else given.end_step
    if not begin < end <= training.steps:
        raise InputError(
            f"expected begin_step < end_step <= steps {training.steps}, got begin_step {begin} and end_step {end}"
        )
    every = max(1, (end - begin) // PRUNINGS) if given.every_steps is None else given.every_steps
    return Pruning(given.sparsity, begin, end, every)
