"""Inference as a pure function of named values, for the backends to compile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from gapsack.models.training.slots import Slots


class Prediction:
    """({"weights/…" and "seeds/…" values}, inputs) -> probabilities [batch, classes].

    Args:
        model: From `registry.build`.
        slots: Of the trainer.
        averaged: Whether to use the averaged weights in place of the model's.

    Attributes:
        variables: The Keras variables whose values are wanted, by name.
    """

    def __init__(self, model: Any, slots: Slots, *, averaged: bool) -> None:
        self.model, self.slots = model, slots
        kind = "average" if averaged else "weights"
        self.weights = {name: slots.variables[f"{kind}/{name}"] for name in model.table}
        seeds = {name: slots.variables[name] for name in slots.others if name.startswith("seeds/")}
        self.variables = {f"weights/{name}": variable for name, variable in self.weights.items()} | seeds

    def __call__(self, values: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
        """Probabilities [batch, classes] of a batch's inputs under these values."""
        trainable = [values[f"weights/{name}"] for name in self.slots.trainable]
        others = [values[name] for name in self.slots.others]
        return self.model.stateless_call(trainable, others, inputs, training=False)[0]

    def top(self, values: Mapping[str, Any], inputs: Mapping[str, Any], k: int) -> tuple[Any, Any]:
        """The k highest probabilities of each example, or all where there are fewer, and their classes."""
        probabilities = self(values, inputs)
        scores, classes = ops.top_k(probabilities, min(k, probabilities.shape[-1]))
        return scores, classes
