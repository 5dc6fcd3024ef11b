"""What a network says of a batch, with all that its loss is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops


class Answer(NamedTuple):
    """What a network says of a batch.

    Attributes:
        probabilities: Float32 [batch, classes].
        logits: What the probabilities are the sigmoids of, [batch, classes]: a loss of them does not saturate. None
            where a network has none, as after a mixture of experts or a gating of classes.
        branches: Of further classifiers within the network, each with a loss of its own.
        penalty: Scalar that the network adds to the loss; None for nothing.
    """

    probabilities: Any
    logits: Any = None
    branches: tuple[Answer, ...] = ()
    penalty: Any = None


def of_logits(logits: Any, *, branches: tuple[Answer, ...] = (), penalty: Any = None) -> Answer:
    """The answer whose probabilities are the sigmoids of `logits`."""
    return Answer(ops.sigmoid(logits), logits, branches, penalty)
