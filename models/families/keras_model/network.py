"""A Keras model that somebody else wrote, built for a task and dressed as a network of a family."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
from keras import ops

from gapsack.models.families.keras_model.builder import Builder
from gapsack.models.families.keras_model.tensors import stored_variables
from gapsack.models.layers.base import Network
from gapsack.models.tasks import PREDICTIONS, Input, Task
from gapsack.models.tensors import Tensor
from gapsack.selection.errors import InputError

EXAMPLES = 2
"""Of random inputs, on which a new model's outputs are checked."""


def build_core(builder: Builder, task: Task, options: Mapping[str, Any], seed: int | None) -> Any:
    """The functional Keras model from a task's features by name to probabilities [batch, classes].

    Without a seed its variables have shapes but no values, and take no memory. It is built in a thread of its own:
    Keras numbers layers by thread, so here `dense_1` is the model's second dense layer, whatever was built before.

    Raises:
        InputError: The builder fails, or returns anything but a model with such an output.
    """
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(_built, builder, task, options, seed).result()


def _built(builder: Builder, task: Task, options: Mapping[str, Any], seed: int | None) -> Any:
    inputs = {given.name: _placeholder(given) for given in task.inputs}
    described = ", ".join([builder.name, *(f"{name} {value}" for name, value in options.items())])
    blank = keras.StatelessScope(initialize_variables=False) if seed is None else nullcontext()
    try:
        with keras.device("cpu:0") if seed is None else nullcontext(), blank, _seeded(seed or 0):
            returned = _output(builder(inputs, task.classes, options), inputs)
    except Exception as error:
        raise InputError(f"expected a Keras model of {described}, got {type(error).__name__}: {error}") from error
    output = _scored(returned, described)
    shape = tuple(getattr(output, "shape", ()))
    if shape != (None, task.classes) or keras.backend.standardize_dtype(output.dtype) != "float32":
        raise InputError(
            f"expected probabilities [batch, {task.classes}], float32, of {described}, got {_said(output, shape)}"
        )
    return keras.Model(inputs, output)


def _placeholder(given: Input) -> Any:
    """A symbolic input of the features that a task makes of `given`: bytes become float32."""
    return keras.Input(given.shape, dtype="float32" if given.dtype == "uint8" else given.dtype, name=given.name)


def _output(returned: Any, inputs: Mapping[str, Any]) -> Any:
    """The output of what a builder returned: of a model made from our inputs, of one that is yet to be called, or the
    output itself."""
    if not isinstance(returned, keras.Model):
        return returned
    own = getattr(returned, "inputs", None)  # those of a functional or a sequential model
    if own and {id(tensor) for tensor in own} <= {id(tensor) for tensor in inputs.values()}:
        return returned.output
    if isinstance(returned, keras.Sequential) or (own and len(own) == 1):
        return returned(next(iter(inputs.values())))
    return returned({name: tensor for name, tensor in inputs.items() if not own or name in {t.name for t in own}})


def _scored(returned: Any, described: str) -> Any:
    """Of several outputs the one that is trained and scored: the only one, or that of the name of probabilities.

    Raises:
        InputError: none of several has such a name.
    """
    if not isinstance(returned, Mapping | list | tuple):
        return returned
    outputs = dict(returned) if isinstance(returned, Mapping) else _by_name(returned)
    named = [outputs[name] for name in PREDICTIONS if name in outputs]
    if not named and len(outputs) != 1:
        told = ", ".join(f"{name} {_said(each, tuple(getattr(each, 'shape', ())))}" for name, each in outputs.items())
        raise InputError(
            f"expected one output, or one named {' or '.join(PREDICTIONS)}, of {described}, got {told or 'none'}: one "
            "is trained and scored, which a parameter of the function may choose"
        )
    return (named or list(outputs.values()))[0]


def _by_name(outputs: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
    """Outputs by the names of the layers that give them, as Keras names them; by number where that is not one each."""
    histories = [getattr(each, "_keras_history", None) for each in outputs]
    names = [str(place) if each is None else each.operation.name for place, each in enumerate(histories)]
    if len(set(names)) < len(names):
        names = [str(place) for place in range(len(outputs))]
    return dict(zip(names, outputs, strict=True))


def _said(output: Any, shape: tuple[Any, ...]) -> str:
    return f"{list(shape)}, {output.dtype}" if isinstance(output, keras.KerasTensor) else repr(output)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Python's and NumPy's generators begin at `seed`, and go on afterwards as if nothing had been drawn.

    Keras draws the seed of whatever is given none from Python's.
    """
    before = random.getstate(), np.random.get_state()  # noqa: NPY002  (the builder may draw from it)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002


class KerasModel(Network):
    """Inputs by name, as the task says -> probabilities [batch, classes], float32.

    Args:
        core: From `build_core`.
        task: Makes features of inputs.
        tensors: Of the core.
        seed: Of the initial values.
    """

    def __init__(self, core: Any, task: Task, tensors: tuple[Tensor, ...], seed: int) -> None:
        super().__init__(tensors, seed)
        self.core = core
        self.task = task
        for layer in core._flatten_layers():
            if hasattr(layer, "use_cudnn"):
                layer.use_cudnn = False  # neither XLA nor a graph for machines without a GPU can hold its kernels

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        """See the class."""
        return ops.cast(self.core(self.task.features(inputs), training=training), "float32")

    @property
    def tensor_variables(self) -> dict[str, Any]:
        """See the base."""
        return stored_variables(self.core)

    def compute_in(self, dtype: str) -> None:
        """Let every layer but the last, which gives the probabilities, compute in this type.

        Raises:
            InputError: A layer cannot.
        """
        policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
        last = self._last_layer()
        for layer in self.core._flatten_layers(include_self=False):
            layer.dtype_policy = "float32" if layer is last else policy
        try:
            with keras.StatelessScope(initialize_variables=False):
                self.core.compute_output_spec(self.core.input)
        except Exception as error:
            raise InputError(
                f"expected layers that compute in {dtype}, got {type(error).__name__}: {error}; float32 works always"
            ) from error

    def remember_statistics(self, decay: float) -> None:
        """See the base: of all layers of Keras' batch norm."""
        for layer in self.core._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = decay

    @contextmanager
    def observed_products(self, observe: Callable[[Any, Any], None]) -> Iterator[None]:
        """See the base: of Keras' dense layers; convolutions and recurrent layers are not observed."""
        layers = [layer for layer in self.core._flatten_layers() if type(layer) is keras.layers.Dense]
        for layer in layers:
            layer.call = _observed(layer, observe)
        try:
            yield
        finally:
            for layer in layers:
                del layer.call

    def check_probabilities(self) -> None:
        """Raise InputError where the new model gives random examples anything but probabilities."""
        rng = np.random.default_rng(0)
        values = self.task.example_inputs(rng, EXAMPLES)
        found = np.asarray(ops.convert_to_numpy(self(values, training=False)))
        if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
            raise InputError(
                f"expected probabilities from 0 to 1 of the builder, got values from {found.min():g} to "
                f"{found.max():g}: end with a sigmoid or a softmax"
            )

    def _last_layer(self) -> Any:
        last = self.core.output._keras_history.operation
        while getattr(last, "layers", None):
            last = last.layers[-1]
        return last


def _observed(layer: Any, observe: Callable[[Any, Any], None]) -> Callable[..., Any]:
    plain = layer.call

    def call(inputs: Any, *arguments: Any, **keywords: Any) -> Any:
        observe(inputs, layer.kernel)
        return plain(inputs, *arguments, **keywords)

    return call
