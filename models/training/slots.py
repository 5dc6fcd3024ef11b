"""Everything that a training step changes, by name.

`weights/<tensor>` are the model's own variables, `seeds/<i>` those of its random layers, and the rest belongs to the
trainer: `adam_m/<tensor>` and `adam_v/<tensor>`, `average/<tensor>` when weights are averaged, and counters. Resuming
is exact because all of it is in a checkpoint.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from gapsack.models.training.recipe import Recipe

FIRST_LOSS_SCALE = 2.0**15

COUNTERS: dict[str, Any] = {
    "updates": np.int32(0),  # steps that changed the weights: Adam's t
    "loss_sum": np.float32(0),  # of the steps since the loss was last taken
    "loss_count": np.int32(0),
    "bad_step": np.int32(-1),  # first step whose loss was not finite
    "bad_loss": np.float32(0),
    "loss_scale": np.float32(FIRST_LOSS_SCALE),  # float16 only
    "steady_updates": np.int32(0),  # updates since the loss scale changed
}


class Slots:
    """The variables of a model in training.

    Args:
        model: From `registry.build`.
        recipe: Decides which slots there are.

    Attributes:
        variables: Every Keras variable by slot name.
        trainable: Tensor names in the order of `model.trainable_variables`.
        others: Slot names in the order of `model.non_trainable_variables`.
    """

    def __init__(self, model: Any, recipe: Recipe) -> None:
        weights = {f"weights/{name}": variable for name, variable in model.tensor_variables.items()}
        names = {id(variable): name for name, variable in weights.items()}
        seeds = [variable for variable in model.non_trainable_variables if id(variable) not in names]
        names.update({id(variable): f"seeds/{index}" for index, variable in enumerate(seeds)})
        self.trainable = [names[id(variable)].removeprefix("weights/") for variable in model.trainable_variables]
        self.others = [names[id(variable)] for variable in model.non_trainable_variables]
        self.variables: dict[str, Any] = weights | {names[id(variable)]: variable for variable in seeds}
        for name in self.trainable:
            for moment in ("adam_m", "adam_v"):
                self._add(f"{moment}/{name}", np.zeros(weights[f"weights/{name}"].shape, np.float32))
        if recipe.ema_decay is not None:
            for name, variable in model.tensor_variables.items():
                self._add(f"average/{name}", keras.ops.convert_to_numpy(variable))
        for name, value in COUNTERS.items():
            self._add(name, value)

    def _add(self, name: str, value: Any) -> None:
        self.variables[name] = keras.Variable(
            value, dtype=str(value.dtype), trainable=False, autocast=False, name=name.replace("/", ".")
        )
