"""From a representation to probabilities: logistic, or a mixture of experts with or without gating of classes."""

from __future__ import annotations

from typing import Any

from keras import ops

from gapsack.models.layers.base import Table, TensorLayer
from gapsack.models.layers.dense import Dense
from gapsack.models.layers.experts import MixtureOfExperts
from gapsack.models.layers.gating import ContextGating
from gapsack.models.tasks.answer import Answer


class Logistic(TensorLayer):
    """[batch, width] -> logits [batch, classes]."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        weights, biases = (f"{scope}/fully_connected/{name}" for name in ("weights", "biases"))
        self.linear = Dense(table, weights, seed, biases=biases)

    def call(self, inputs: Any) -> Any:
        """See the class."""
        return self.linear(inputs)


class GatedExperts(TensorLayer):
    """[batch, width] -> a mixture of experts, whose probabilities gate each other where the table has the matrix."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.experts = MixtureOfExperts(table, scope, seed)
        gates = f"{scope}/gating_prob_weights"
        norm = f"{scope}/gating_prob_bn"
        self.gating = ContextGating(table, gates, norm, seed) if gates in table else None

    def call(self, inputs: Any, training: bool = False) -> Any:
        """[batch, width] -> probabilities [batch, classes]."""
        probabilities = self.experts(inputs)
        if self.gating is not None:
            probabilities = self.gating(probabilities, training=training)
        return probabilities


class Classifier(TensorLayer):
    """[batch, width] -> `Answer`, by the classifier whose tensors the table has under the scope.

    Without logits, also of the logistic one: losses of the starter code's models are of probabilities.
    """

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        logistic = f"{scope}/fully_connected/weights" in table
        self.head = Logistic(table, scope, seed) if logistic else GatedExperts(table, scope, seed)

    def call(self, inputs: Any, training: bool = False) -> Answer:
        """See the class."""
        if isinstance(self.head, Logistic):
            return Answer(ops.sigmoid(self.head(inputs)))
        return Answer(self.head(inputs, training=training))
