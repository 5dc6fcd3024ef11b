"""Training and prediction compiled by TensorFlow.

On CPUs the step is a plain graph, in which XLA compiles the loops and a plug-in (`kernel_plugins`) may run what it is
faster at. Weights and moments are updated in place: by TensorFlow's fused Adam, or by the plug-in while it sums the
gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gapsack.models.layers.kernels import Kernels
from gapsack.models.training.arithmetic import ADAM_EPSILON, BETA1, BETA2, averaged, decayed
from gapsack.models.training.backends import Differentiable, TrainingStep
from gapsack.models.training.backends.kernel_plugins import GROUP, plug_in
from gapsack.models.training.backends.product_gradients import ProductGradient, ProductKernels
from gapsack.models.training.backends.tensorflow_flops import flops_of
from gapsack.models.training.recipe import Recipe
from gapsack.selection.errors import InputError
from gapsack.selection.memory import begins_on_a_line


class TensorFlowBackend:
    """See `Backend`.

    Raises:
        InputError: The recipe asks for kernels that cannot run here.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._xla = uses_xla(recipe)
        self.kernels = _chosen_kernels(recipe)

    def differentiate(
        self, objective: Differentiable, values: list[Any], *, as_products: bool
    ) -> tuple[tuple[Any, Any], list[Any]]:
        """See the protocol."""
        if not as_products or not isinstance(self.kernels, ProductKernels):
            return _differentiated(objective, values)
        with self.kernels.gradients_as_products(values) as products:
            result, gradients = _differentiated(objective, values)
        return result, [products.get(place, gradient) for place, gradient in enumerate(gradients)]

    def sums_of_squares(self, tensors: Sequence[Any]) -> Any:
        """See the protocol."""
        products = [tensor for tensor in tensors if isinstance(tensor, ProductGradient)]
        of_products = iter(tf.unstack(self._of_products().sums_of_squares(products)) if products else [])
        return tf.stack(
            [
                next(of_products) if isinstance(tensor, ProductGradient) else 2 * tf.nn.l2_loss(tensor)
                for tensor in tensors
            ]
        )

    def compile_step(self, step: TrainingStep, variables: dict[str, Any]) -> Callable[..., None]:
        """See the protocol."""
        in_place = not self._xla and not step.scaled

        def run(inputs: Any, labels: Any, learning_rate: Any, number: Any) -> None:
            values = {name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}
            if not in_place:
                _assign(variables, step(values, inputs, labels, learning_rate, number))
                return
            gradients, changed = step.gradients(values, inputs, labels, number)
            products = {name: g for name, g in gradients.items() if isinstance(g, ProductGradient)}
            taken = {name: g for name, g in gradients.items() if name not in products}
            # Whatever reads the old weights comes first: updates may write to the very memory that reads refer to.
            read = [*tf.nest.flatten(changed), *taken.values()]
            del changed["finite"]
            with tf.control_dependencies(read):
                if products:
                    done = [self._of_products().update(products, taken, values, learning_rate, step.recipe)]
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
        if self._xla or step.recipe.accumulate > 1:
            compiled: Callable[..., None] = tf.function(run, jit_compile=self._xla)
            return compiled
        return _in_one_thread(run)

    def compile_prediction(self, function: Callable[..., Any], variables: dict[str, Any]) -> Callable[..., Any]:
        """See the protocol."""

        def run(*arrays: Any) -> Any:
            values = {name: tf.convert_to_tensor(variable.value) for name, variable in variables.items()}
            return function(values, *arrays)

        compiled: Callable[..., Any] = tf.function(run, jit_compile=self._xla)
        return compiled

    def flops(
        self, function: Callable[[Mapping[str, Any]], Any], arrays: Mapping[str, tuple[tuple[int, ...], str]]
    ) -> int | None:
        """See the protocol."""
        return flops_of(function, arrays)

    def forget_graphs(self) -> None:
        """See the protocol.

        Every `tf.custom_gradient` that is traced puts its closure, and with it the graph and the variables in it, into
        a registry that TensorFlow reads while it builds gradients, never clears, and has no public name for: a worker
        would keep every model that it ever trained.
        """
        from tensorflow.python.framework import ops

        registered = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
        for name in [name for name in registered if name.startswith("CustomGradient-")]:
            del registered[name]

    def _of_products(self) -> ProductKernels:
        if not isinstance(self.kernels, ProductKernels):
            raise TypeError(f"expected gradients as tensors with the kernels {self.kernels.name}, got products")
        return self.kernels


class GraphKernels(Kernels):
    """For steps that are a plain graph: XLA compiles the loops.

    They beat TensorFlow's chains of element-wise operations, each of which writes its result to memory.
    """

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compiled by XLA inside of a graph; as it is when run eagerly, where compiling costs more than it saves."""
        return function if tf.executing_eagerly() else tf.function(function, jit_compile=True)


def uses_xla(recipe: Recipe) -> bool:
    """Whether steps of this recipe are compiled by XLA here."""
    return _has_gpu() if recipe.xla is None else recipe.xla


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


def _chosen_kernels(recipe: Recipe) -> Kernels:
    on_cpu = not uses_xla(recipe) and not _has_gpu()
    if recipe.kernels == "cpu" and not on_cpu:
        here = "compiles the step by XLA" if uses_xla(recipe) else "has a GPU"
        raise InputError(f"expected kernels: auto or plain where TensorFlow {here}, got cpu")
    if recipe.kernels != "plain" and on_cpu:
        make = plug_in("cpu")
        if make is not None:
            return make()
        if recipe.kernels == "cpu":
            raise InputError(
                f"expected an installed package with the entry point cpu in {GROUP}, found none: install gapsack anew,"
                " or write kernels: auto or plain"
            )
    return Kernels() if uses_xla(recipe) else GraphKernels()


def _differentiated(objective: Differentiable, values: list[Any]) -> tuple[tuple[Any, Any], list[Any]]:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        result = objective(values)
    return result, tape.gradient(result[0], values)


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
