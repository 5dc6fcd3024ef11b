"""The FLOPs of a function that TensorFlow has traced, by the shapes in its graph; nothing large is run.

What counts are matrix products and convolutions, two FLOPs a multiply-add, those at a padded border included. All else
(norms, activations, sums, look-ups) counts nothing. A loop counts as often as it turns, if that follows from constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
LOOPS = frozenset({"While", "StatelessWhile"})
BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
HIDING = (
    *("matmul", "conv", "einsum", "dot", "rnn", "lstm", "gru", "fft"),
    *("matrix", "solve", "cholesky", "selfadjoint", "svd", "xla", "func", "fused", "map"),
)
"""In the lower-case names of operations that may multiply in ways that are not known here."""
HARMLESS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "MatrixDiag", "MatrixDiagV3"})
"""Operations with such names that do not."""
MOST_TURNS = 100_000
"""Of a loop; one that turns more often is taken for endless."""

Value = Any
"""A small array that is known without running the model; None where it is not."""


class UncountableError(Exception):
    """The FLOPs do not follow from the graph."""


def flops_of(function: Callable[..., Any], arrays: Mapping[str, tuple[tuple[int, ...], str]]) -> int | None:
    """FLOPs of a function of arrays by name, of which shapes and types are given; None where they do not follow."""
    specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in arrays.items()}
    try:
        return _Function(tf.function(function).get_concrete_function(specs).graph).flops()
    except UncountableError:
        return None


@dataclass
class _Function:
    """A function's graph.

    Args:
        graph: Of the function, without what it calls.
        arguments: Values of those of its inputs that are known, by the input's name.
    """

    graph: Any
    arguments: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._values: dict[str, Value] = dict(self.arguments)

    def flops(self) -> int:
        return sum(self._of(op) for op in self._needed())

    def _needed(self) -> set[Any]:
        """The operations that outputs are made of: others, such as a step of a loop for its shapes alone, never run."""
        found: set[Any] = set()
        waiting = [tensor.op for tensor in self.graph.outputs]
        while waiting:
            op = waiting.pop()
            if op not in found:
                found.add(op)
                waiting.extend([*(tensor.op for tensor in op.inputs), *op.control_inputs])
        return found

    def value(self, tensor: Any) -> Value:
        """What a tensor holds; None where that is not known."""
        if tensor.name not in self._values:
            self._values[tensor.name] = self._found(tensor)
        return self._values[tensor.name]

    def _found(self, tensor: Any) -> Value:
        constant = None if tensor.dtype == tf.resource else tf.get_static_value(tensor)
        if constant is not None or tensor.op.type not in _COMPUTED:
            return constant
        inputs = [self.value(each) for each in tensor.op.inputs]
        return None if any(each is None for each in inputs) else _COMPUTED[tensor.op.type](*inputs)

    def _of(self, op: Any) -> int:
        if op.type in _COUNTED:
            return _FLOPS_A_MULTIPLY_ADD * _COUNTED[op.type](op)
        if op.type in CALLS:
            return self._called(op, "f").flops()
        if op.type in LOOPS:
            return self._loop(op)
        if op.type in BRANCHES:
            return self._branches(op)
        is_known = hasattr(tf.raw_ops, op.type)  # not one of a library of somebody's own
        if not is_known or (op.type not in HARMLESS and any(part in op.type.lower() for part in HIDING)):
            raise UncountableError
        return 0

    def _called(self, op: Any, attribute: str) -> _Function:
        return self._named(op.get_attr(attribute).name, op.inputs)

    def _named(self, name: str, inputs: Sequence[Any]) -> _Function:
        """A function that this one calls with such inputs."""
        graph = self.graph._get_function(name).graph
        given = zip(graph.inputs, inputs, strict=True)
        return _Function(graph, {own.name: self.value(outer) for own, outer in given})

    def _loop(self, op: Any) -> int:
        body = self._called(op, "body")
        once = body.flops()
        return once and once * self._turns(op, body.graph)

    def _turns(self, op: Any, body: Any) -> int:
        """How often a loop turns: its condition is computed turn by turn, from whatever of its variables is known."""
        condition = self._called(op, "cond").graph
        values = [self.value(tensor) for tensor in op.inputs]
        for turn in range(MOST_TURNS):
            asked = _Function(condition, _by_name(condition.inputs, values))
            goes_on = asked.value(condition.outputs[0])
            if goes_on is None:
                break
            if not goes_on:
                return turn
            after = _Function(body, _by_name(body.inputs, values))
            known = zip(values, body.outputs, strict=True)  # what was not known does not become so
            values = [None if before is None else after.value(tensor) for before, tensor in known]
        raise UncountableError

    def _branches(self, op: Any) -> int:
        """Of branches that all count the same."""
        if "Case" in op.type:
            names = [each.name for each in op.get_attr("branches")]
        else:
            names = [op.get_attr("then_branch").name, op.get_attr("else_branch").name]
        found = {self._named(name, op.inputs[1:]).flops() for name in names}
        if len(found) != 1:
            raise UncountableError
        return found.pop()


def _by_name(tensors: Sequence[Any], values: Sequence[Value]) -> dict[str, Value]:
    return {tensor.name: value for tensor, value in zip(tensors, values, strict=True)}


_FLOPS_A_MULTIPLY_ADD = 2

_COMPUTED: Mapping[str, Callable[..., Value]] = {
    "Identity": lambda value: value,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "LogicalAnd": np.logical_and,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Max": lambda values, axes: np.max(values, axis=tuple(np.atleast_1d(axes))),
    "Min": lambda values, axes: np.min(values, axis=tuple(np.atleast_1d(axes))),
}
"""Operations that loops count and end by."""


def _sizes(tensor: Any) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise UncountableError
    sizes: list[int] = tensor.shape.as_list()
    return sizes


def _size(tensor: Any) -> int:
    return math.prod(_sizes(tensor))


def _product(op: Any) -> int:
    """Multiply-adds of matrix products, [..., rows, inner] x [..., inner, columns]."""
    turned = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
    return _size(op.outputs[0]) * _sizes(op.inputs[0])[-2 if turned else -1]


def _einsum(op: Any) -> int:
    """Multiply-adds of an Einstein sum: with two operands, one for each combination of all indices."""
    operands = op.get_attr("equation").decode().replace(" ", "").split("->")[0].split(",")
    if len(operands) == 1:
        return 0
    if len(operands) != len(op.inputs) or len(operands) > 2 or "." in "".join(operands):
        raise UncountableError
    sizes: dict[str, int] = {}
    for letters, tensor in zip(operands, op.inputs, strict=True):
        for letter, size in zip(letters, _sizes(tensor), strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    return math.prod(sizes.values())


def _convolution(op: Any) -> int:
    """Filter [..., channels in (of a group), channels out]."""
    return _size(op.outputs[0]) * math.prod(_sizes(op.inputs[1])[:-1])


def _depthwise(op: Any) -> int:
    """Filter [height, width, channels, multiplier]: every output is of one channel."""
    return _size(op.outputs[0]) * math.prod(_sizes(op.inputs[1])[:-2])


def _transposed(op: Any) -> int:
    """Filter [..., channels out, channels in]: every input goes into so many outputs."""
    return _size(op.inputs[2]) * math.prod(_sizes(op.inputs[1])[:-1])


_COUNTED: Mapping[str, Callable[[Any], int]] = {
    "MatMul": _product,
    "BatchMatMul": _product,
    "BatchMatMulV2": _product,
    "BatchMatMulV3": _product,
    "Einsum": _einsum,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
}
"""Multiply-adds of an operation."""
