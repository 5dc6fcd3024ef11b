"""What every layer here shares: variables made from a family's tensor list, and where numbers are rounded.

Precision: layers compute in float32, and only matrix products in the compute type of the layer's dtype policy. Under
"mixed_bfloat16" the products are bfloat16 with float32 accumulation inside, and nothing else changes. Keras' automatic
casts are off, since they would also round norms, softmaxes and probabilities.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from gapsack.models.layers.kernels import Kernels, ObservedKernels
from gapsack.models.tasks.answer import Answer
from gapsack.models.tensors import Tensor

Table = Mapping[str, Tensor]

PAPER_STATISTICS_DECAY = 0.999
"""Of batch norm's moving mean and variance, each step, in the paper's code."""

_blank: ContextVar[bool] = ContextVar("_blank", default=False)


@contextmanager
def blank_variables() -> Iterator[None]:
    """Models built inside start as zeros: for models whose weights come from elsewhere, so that none are drawn."""
    token = _blank.set(True)
    try:
        yield
    finally:
        _blank.reset(token)


def is_blank() -> bool:
    """Whether models are built as zeros here."""
    return _blank.get()


def initial_value(tensor: Tensor, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Initial values of a tensor: a function of the seed and the tensor's name alone, the same on every backend."""
    values = np.full(tensor.shape, tensor.mean, np.float32)
    if tensor.deviation:
        generator = np.random.default_rng([seed, zlib.crc32(tensor.name.encode())])
        values += np.float32(tensor.deviation) * generator.standard_normal(tensor.shape, np.float32)
    return values


class TensorLayer(keras.layers.Layer):
    """A layer whose variables are tensors of a family's table, created at once: all shapes are known.

    Args:
        table: Tensors of the whole model by name.
        seed: Of the initial values.
    """

    def __init__(self, table: Table, seed: int) -> None:
        super().__init__(autocast=False)  # of inputs; variables are told below
        self._table = table
        self._seed = seed
        self.statistics_decay = PAPER_STATISTICS_DECAY
        self.tensor_variables: dict[str, Any] = {}
        self.kernels = Kernels()
        self.built = True

    def variable(self, name: str) -> Any:
        """Create the variable of a tensor of the table."""
        tensor = self._table[name]

        def initial(shape: tuple[int, ...], dtype: str | None = None) -> Any:
            return ops.convert_to_tensor(initial_value(tensor, self._seed), dtype)

        variable = self.add_weight(
            shape=tensor.shape,
            initializer="zeros" if is_blank() else initial,
            dtype="float32",
            autocast=False,
            trainable=tensor.trainable,
            name=name.replace("/", "."),  # a variable's own name may not hold a slash
        )
        self.tensor_variables[name] = variable
        return variable

    def product(self, left: Any, right: Any) -> Any:
        """Matrix product in the compute type, returned as float32."""
        return self.kernels.product(left, right, self.compute_dtype)


class Network(keras.Model):
    """Base of the model families: `TensorLayer`s whose variables together are exactly the tensors of the table.

    Args:
        tensors: Every tensor, in the family's order.
        seed: Of the initial values.
    """

    def __init__(self, tensors: tuple[Tensor, ...], seed: int) -> None:
        super().__init__(autocast=False)
        self.tensors = tensors
        self.seed = seed
        self.kernels = Kernels()
        self.table: Table = {tensor.name: tensor for tensor in tensors}
        self.built = True

    def tensor_layers(self) -> Iterator[TensorLayer]:
        """All layers that hold tensors, nested ones included."""
        for layer in self._flatten_layers(include_self=False):
            if isinstance(layer, TensorLayer):
                yield layer

    @property
    def tensor_variables(self) -> dict[str, Any]:
        """The model's variables by tensor name, in the family's order."""
        made = {name: variable for layer in self.tensor_layers() for name, variable in layer.tensor_variables.items()}
        return {tensor.name: made[tensor.name] for tensor in self.tensors}

    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """What `call` gives, with all that a loss is made of; networks that know logits define `call` by it."""
        return Answer(self.call(inputs, training=training))

    def stateless_answer(
        self, trainable: Sequence[Any], others: Sequence[Any], inputs: Mapping[str, Any]
    ) -> tuple[Answer, list[Any]]:
        """The `answer` in training under these values of the variables, and the new values of the non-trainable ones.

        As Keras' own `stateless_call`, which gives what `call` gives.
        """
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        with keras.StatelessScope(state_mapping=zip(variables, (*trainable, *others), strict=True)) as scope:
            answer = self.answer(inputs, training=True)
        return answer, [scope.get_current_value(variable) for variable in self.non_trainable_variables]

    def compute_in(self, dtype: str) -> None:
        """Compute matrix products in "float32", "bfloat16" or "float16"; variables stay float32."""
        policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
        for layer in self.tensor_layers():
            layer.dtype_policy = policy

    def remember_statistics(self, decay: float) -> None:
        """Let moving means and variances keep this share of themselves at each training step."""
        for layer in self.tensor_layers():
            layer.statistics_decay = decay

    @contextmanager
    def observed_products(self, observe: Callable[[Any, Any], None]) -> Iterator[None]:
        """Inside, `observe` is called with both sides of every product, the right one maybe a variable of the model."""
        kernels = self.kernels
        self.run_with(ObservedKernels(observe))
        try:
            yield
        finally:
            self.run_with(kernels)

    def run_with(self, kernels: Kernels) -> None:
        """Run the primitives of all layers by these kernels."""
        self.kernels = kernels
        for layer in self.tensor_layers():
            layer.kernels = kernels


class AnsweringNetwork(Network):
    """A network that defines `answer`; `call` gives the answer's probabilities [batch, classes]."""

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """See the class; batch statistics and dropout are used when `training`."""
        return self.answer(inputs, training).probabilities

    @abstractmethod
    def answer(self, inputs: Mapping[str, Any], training: bool = False) -> Answer:
        """See the base."""
