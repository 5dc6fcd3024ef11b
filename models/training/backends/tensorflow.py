"""Training and prediction compiled by TensorFlow.

On CPUs the step is a plain graph, in which XLA compiles the loops and our own code (`models.training.backends.cpu`)
the large products. Weights and moments are updated in place: small ones by TensorFlow's fused Adam, large ones while
their gradient is being summed. One pass over memory instead of a dozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from gapsack.models.layers.kernels import Kernels
from gapsack.models.training.arithmetic import (
    ADAM_EPSILON,
    BETA1,
    BETA2,
    Values,
    adam_rate,
    averaged,
    decayed,
    kept_share,
)
from gapsack.models.training.backends.cpu.products import Gradient, squared_norms
from gapsack.models.training.backends.cpu.tensorflow import CpuKernels, on_host
from gapsack.models.training.backends.cpu.update import AdamStep, SmallUpdate, Update, update
from gapsack.models.training.backends.products import ProductGradient
from gapsack.models.training.recipe import Recipe
from gapsack.models.training.step import Inputs, Objective, Step
from gapsack.selection.memory import begins_on_a_line


def differentiate(
    objective: Objective, values: list[Any], kernels: Kernels | None
) -> tuple[tuple[Any, Any], list[Any]]:
    """The objective at `values`, and the gradients of its loss; those of large matrices as products, by `kernels`."""
    with (kernels or Kernels()).gradients_as_products(values) as products:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            result = objective(values)
        gradients = tape.gradient(result[0], values)
    return result, [products.get(place, gradient) for place, gradient in enumerate(gradients)]


def sums_of_squares(tensors: Sequence[Any]) -> Any:
    """Of each of n tensors, [n]; of a `ProductGradient` before its scale, and without storing it."""
    products = [tensor for tensor in tensors if isinstance(tensor, ProductGradient)]
    operands = [
        operand
        for tensor in products
        for operand in (
            *(tensor.left, tensor.upstream, tensor.upstream_gram, tensor.product),
            *(tensor.penalty, tensor.weight_square),
        )
    ]
    of_products = iter(tf.unstack(on_host(_squared_norms, operands, [(len(products),)])[0]) if products else [])
    return tf.stack(
        [next(of_products) if isinstance(tensor, ProductGradient) else 2 * tf.nn.l2_loss(tensor) for tensor in tensors]
    )


def _squared_norms(*operands: Any) -> Any:
    return squared_norms([Gradient(*fields) for fields in _cut(operands, len(Gradient._fields))])


def _cut(operands: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [operands[start : start + size] for start in range(0, len(operands), size)]


def kernels(recipe: Recipe) -> Kernels:
    """What runs the model's primitives."""
    return Kernels() if uses_xla(recipe) else CpuKernels(keep_products=arrays_are_variables())


def compile_step(step: Step, variables: dict[str, Any]) -> Callable[..., None]:
    """(inputs, labels, learning rate, step number) -> None: the step, run on the variables."""
    xla = uses_xla(step.recipe)
    in_place = not xla and not step.scaled

    def run(inputs: Inputs, labels: Any, learning_rate: Any, number: Any) -> None:
        values = {name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}
        if not in_place:
            _assign(variables, step(values, inputs, labels, learning_rate, number))
            return
        gradients, changed = step.gradients(values, inputs, labels, number)
        products = {name: g for name, g in gradients.items() if isinstance(g, ProductGradient)}
        taken = {name: g for name, g in gradients.items() if name not in products}
        # Whatever reads the old weights comes first: our own updates write to the very memory that reads refer to.
        read = [*tf.nest.flatten(changed), *taken.values()]
        del changed["finite"]
        with tf.control_dependencies(read):
            if products:
                done = [_adam_of_arrays(products, taken, values, learning_rate, step.recipe)]
            else:
                done = [
                    _adam_in_place(name, gradient, variables, learning_rate, step.recipe)
                    for name, gradient in taken.items()
                ]
        with tf.control_dependencies(done):
            _assign(variables, changed)
            variables["updates"].assign(values["updates"] + 1)
            if step.recipe.ema_decay is not None:
                now = {name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}
                _assign(variables, averaged(values, now, step.recipe))

    # The executor of one thread knows no loops.
    return tf.function(run, jit_compile=xla) if xla or step.recipe.accumulate > 1 else _in_one_thread(run)


def _in_one_thread(run: Callable[..., None]) -> Callable[..., None]:
    """A function of arrays or tensors, compiled; the operations of its graph run one after the other.

    Each of those that take long has use for every core by itself: two at a time, and the threads that wait for the
    next one, would take cores from each other.
    """
    compiled = tf.function(run)
    graphs: dict[tuple[Any, ...], Any] = {}  # TensorFlow's own look-up takes half a millisecond

    def call(*operands: Any) -> None:
        tensors = [_as_tensor(operand) for operand in tf.nest.flatten(operands)]
        kind = tuple((tensor.dtype, *tensor.shape) for tensor in tensors)
        if kind not in graphs:
            graph = compiled.get_concrete_function(*tf.nest.pack_sequence_as(operands, tensors))
            graphs[kind] = graph, graph.captured_inputs, "" if _has_loops(graph) else "SINGLE_THREADED_EXECUTOR"
        graph, captured, executor = graphs[kind]
        # Called inside of another graph it would be inlined there, and the choice of executor be lost.
        tf.raw_ops.StatefulPartitionedCall(args=[*tensors, *captured], Tout=[], f=graph, executor_type=executor)

    return call


def _has_loops(graph: Any) -> bool:
    """Whether a function has loops or branches, of which the executor of one thread knows none."""
    return any(operation.type in CONTROL_FLOW for operation in graph.graph.get_operations())


CONTROL_FLOW = frozenset({"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"})


def _as_tensor(operand: Any) -> Any:
    """The operand's own memory as a tensor where TensorFlow can use it as it lies, a copy otherwise."""
    usable = isinstance(operand, np.ndarray) and operand.dtype != bool and operand.flags.carray
    if usable and begins_on_a_line(operand):
        return tf.experimental.dlpack.from_dlpack(operand.__dlpack__())
    return tf.convert_to_tensor(operand)


def compile_prediction(function: Callable[..., Any], variables: dict[str, Any], recipe: Recipe) -> Callable[..., Any]:
    """(*arrays) -> `function` of the variables' values by name and the arrays."""

    def run(*arrays: Any) -> Any:
        return function({name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}, *arrays)

    compiled: Callable[..., Any] = tf.function(run, jit_compile=uses_xla(recipe))
    return compiled


def forget_graphs() -> None:
    """Let go of graphs that nobody will differentiate again.

    Every `tf.custom_gradient` that is traced puts its closure, and with it the graph and the variables in it, into a
    registry that TensorFlow reads while it builds gradients, never clears, and has no public name for: a worker would
    keep every model that it ever trained.
    """
    from tensorflow.python.framework import ops

    registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    for name in [name for name in registered if name.startswith("CustomGradient-")]:
        del registered[name]


@cache
def arrays_are_variables() -> bool:
    """Whether what `numpy_function` writes to the array of a variable's value is in the variable: tried once.

    It is so wherever TensorFlow does not copy values, but nothing promises it.
    """
    variable = tf.Variable(np.zeros((64, 64), np.float32))
    tf.function(lambda: tf.numpy_function(_fill, [tf.convert_to_tensor(variable)], tf.bool))()
    return bool(variable.numpy().all())


def _fill(array: Any) -> Any:
    array.fill(1)
    return np.True_


def uses_xla(recipe: Recipe) -> bool:
    """Whether steps of this recipe are compiled by XLA here."""
    return bool(tf.config.list_logical_devices("GPU")) if recipe.xla is None else recipe.xla


def _assign(variables: dict[str, Any], changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        variables[name].value.assign(value)


def _adam_in_place(name: str, gradient: Any, variables: dict[str, Any], learning_rate: Any, recipe: Recipe) -> Any:
    weight, m, v = (variables[f"{kind}/{name}"].value for kind in ("weights", "adam_m", "adam_v"))
    if recipe.weight_decay:
        weight.assign(decayed(weight, learning_rate, recipe))
    t = tf.cast(variables["updates"].value + 1, tf.float32)
    return tf.raw_ops.ResourceApplyAdam(
        var=weight.handle,
        m=m.handle,
        v=v.handle,
        beta1_power=BETA1**t,
        beta2_power=BETA2**t,
        lr=learning_rate,
        beta1=BETA1,
        beta2=BETA2,
        epsilon=ADAM_EPSILON,
        grad=gradient,
    )


_OPERANDS_OF_AN_UPDATE = 9  # weight and moments, both factors, and four numbers
_OPERANDS_OF_A_SMALL_UPDATE = 6  # tensor and moments, gradient, and two numbers


def _adam_of_arrays(
    products: Mapping[str, ProductGradient],
    taken: Mapping[str, Any],
    values: Values,
    learning_rate: Any,
    recipe: Recipe,
) -> Any:
    """Update weights and moments in the memory of their variables; returns what is there once it is done.

    A tensor read from a variable refers to the variable's memory, and so does the array that `numpy_function` is given.
    `arrays_are_variables` has made sure of it.
    """
    kept, rate = kept_share(learning_rate, recipe), adam_rate(values["updates"], learning_rate)
    operands: list[Any] = [np.int32(len(products))]
    for name, gradient in products.items():
        operands += [values[f"{kind}/{name}"] for kind in ("weights", "adam_m", "adam_v")]
        operands += [gradient.left, gradient.upstream, gradient.scale, gradient.scale * gradient.penalty, kept, rate]
    for name, gradient in taken.items():
        tensor, m, v = (values[f"{kind}/{name}"] for kind in ("weights", "adam_m", "adam_v"))
        operands += [tensor, m, v, gradient, kept if len(tensor.shape) > 1 else np.float32(1), rate]
    return tf.numpy_function(_update_arrays, operands, tf.bool)


def _update_arrays(count: Any, *operands: Any) -> Any:
    large = int(count) * _OPERANDS_OF_AN_UPDATE
    updates = [
        Update(matrix, m, v, left, upstream, _adam_step(*numbers))
        for matrix, m, v, left, upstream, *numbers in _cut(operands[:large], _OPERANDS_OF_AN_UPDATE)
    ]
    small = [
        SmallUpdate(tensor, m, v, gradient, _adam_step(1, 0, *numbers))
        for tensor, m, v, gradient, *numbers in _cut(operands[large:], _OPERANDS_OF_A_SMALL_UPDATE)
    ]
    update(updates, small)
    return np.True_


def _adam_step(*numbers: Any) -> AdamStep:
    return AdamStep(*(np.float32(number) for number in (*numbers, 1 - BETA1, 1 - BETA2, ADAM_EPSILON)))
