"""LSTM and GRU layers with TensorFlow 1's arithmetic and masks, run by Keras' own loop over time.

After an example's last real frame its state stays as it is. What frames contribute to the gates is one product over
all of them; only the states' products are taken step by step.

Keras' loop keeps its outputs in a list of tensors, which LiteRT takes of a fixed number of examples alone. Within
`plain_loops` layers run a loop of the same steps over plain tensors: the same values, in more time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

from gapsack.models.layers.base import Table, TensorLayer

FORGET_BIAS = 1.0
"""Added to the forget gate at run time; it is no part of the stored biases."""


_plain: ContextVar[bool] = ContextVar("plain_loops", default=False)


@contextmanager
def plain_loops() -> Iterator[None]:
    """Layers that are called in the block run loops over plain tensors, for what knows no lists of them."""
    before = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(before)


class RecurrentCell(TensorLayer):
    """One step of a layer; `begin` is called before the loop, `call` in every turn of it.

    Args:
        table: Tensors of the whole model by name.
        scope: Of the layer's tensors.
        seed: Of the initial values.
    """

    state_size: Any
    output_size: int

    @abstractmethod
    def begin(self, frames: Any) -> Any:
        """What all frames [batch, frames, width] contribute to the gates, [batch, frames, gates]."""

    @abstractmethod
    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """(Contributions of a frame [batch, gates], states) -> (output, states)."""

    def contributions(self, frames: Any, matrix: Any, biases: Any) -> Any:
        """frames [batch, frames, width] @ matrix + biases."""
        _, length, width = frames.shape
        rows = self.product(ops.reshape(frames, (-1, width)), matrix) + biases
        return ops.reshape(rows, (-1, length, rows.shape[-1]))


class LSTMCell(RecurrentCell):
    """States are h and c, [batch, cells] each."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.kernel = self.variable(f"{scope}/basic_lstm_cell/kernel")
        self.biases = self.variable(f"{scope}/basic_lstm_cell/bias")
        self.output_size = self.kernel.shape[1] // 4
        self.state_size = [self.output_size, self.output_size]
        self._recurrent: Any = None

    def begin(self, frames: Any) -> Any:
        """See the base."""
        width = frames.shape[-1]
        self._recurrent = self.kernel.value[width:]
        return self.contributions(frames, self.kernel.value[:width], self.biases.value)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """See the base."""
        del training
        hidden, memory = states
        gates = inputs + self.product(hidden, self._recurrent)
        take, candidate, forget, show = ops.split(gates, 4, axis=-1)
        kept = memory * ops.sigmoid(forget + FORGET_BIAS)
        memory = kept + ops.sigmoid(take) * ops.tanh(candidate)
        hidden = ops.tanh(memory) * ops.sigmoid(show)
        return hidden, [hidden, memory]


class GRUCell(RecurrentCell):
    """The state is h, [batch, cells]; the reset gate comes before the candidate's product."""

    def __init__(self, table: Table, scope: str, seed: int) -> None:
        super().__init__(table, seed)
        self.gate_kernel = self.variable(f"{scope}/gru_cell/gates/kernel")
        self.gate_biases = self.variable(f"{scope}/gru_cell/gates/bias")
        self.candidate_kernel = self.variable(f"{scope}/gru_cell/candidate/kernel")
        self.candidate_biases = self.variable(f"{scope}/gru_cell/candidate/bias")
        self.output_size = self.candidate_kernel.shape[1]
        self.state_size = [self.output_size]
        self._recurrent: Any = None

    def begin(self, frames: Any) -> Any:
        """See the base."""
        width = frames.shape[-1]
        gates, candidate = self.gate_kernel.value, self.candidate_kernel.value
        self._recurrent = gates[width:], candidate[width:]
        matrix = ops.concatenate([gates[:width], candidate[:width]], axis=-1)
        biases = ops.concatenate([self.gate_biases.value, self.candidate_biases.value])
        return self.contributions(frames, matrix, biases)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """See the base."""
        del training
        (hidden,) = states
        gates, candidate = self._recurrent
        both = ops.sigmoid(inputs[:, : 2 * self.output_size] + self.product(hidden, gates))
        reset, update = ops.split(both, 2, axis=-1)
        new = ops.tanh(inputs[:, 2 * self.output_size :] + self.product(reset * hidden, candidate))
        hidden = update * hidden + (1 - update) * new
        return hidden, [hidden]


class _Loop(keras.layers.RNN):
    """Keras' loop, whose outputs are plain tensors: what follows is given masks by name."""

    def compute_mask(self, _: Any, mask: Any) -> list[None]:
        """None for the outputs and for each state."""
        del mask
        return [None] * (1 + len(self.cell.state_size))


class Recurrent(TensorLayer):
    """Frames [batch, frames, width] -> outputs [batch, frames, cells] and the last states, [batch, cells] each.

    Args:
        table: Tensors of the whole model by name.
        cell: Whose steps these are.
        seed: Of the initial values.
        backward: From an example's last frame to its first.
    """

    def __init__(self, table: Table, cell: RecurrentCell, seed: int, *, backward: bool = False) -> None:
        super().__init__(table, seed)
        self.cell, self.backward = cell, backward
        self.loop = _Loop(cell, return_sequences=True, return_state=True, go_backwards=backward, dtype="float32")
        self.loop.built = True  # the cell's variables are there already

    def call(self, frames: Any, real: Any) -> tuple[Any, list[Any]]:
        """`real`, bool [batch, frames]: an example's own frames, which come first."""
        contributions = self.cell.begin(frames)
        if _plain.get():
            return self._plain_loop(contributions, real)
        outputs, *states = self.loop(contributions, mask=real)
        # Places beyond the end come first in a backward loop, where the state is still zero.
        return (ops.flip(outputs, axis=1) if self.backward else outputs), states

    def _plain_loop(self, contributions: Any, real: Any) -> tuple[Any, list[Any]]:
        """As `call`. Outputs are put in their places by a choice among all, since there are no updates in place."""
        length = ops.shape(contributions)[1]
        zero = ops.zeros_like(contributions[:, 0, : self.cell.output_size])
        places = ops.arange(length)[None, :, None]
        outputs = ops.zeros_like(contributions[:, :, : self.cell.output_size])

        def step(number: Any, outputs: Any, *states: Any) -> tuple[Any, ...]:
            place = length - 1 - number if self.backward else number
            here = ops.take(real, place, axis=1)[:, None]
            output, after = self.cell(ops.take(contributions, place, axis=1), list(states))
            kept = [ops.where(here, new, old) for new, old in zip(after, states, strict=True)]
            # `==` of tensors outside of a function, as where the one graph is laid down, compares objects.
            return number + 1, ops.where(ops.equal(places, place), output[:, None], outputs), *kept

        states = [zero for _ in self.cell.state_size]
        _, outputs, *states = ops.while_loop(lambda number, *_: number < length, step, (0, outputs, *states))
        return outputs, states
