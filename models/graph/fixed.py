"""What in a loaded graph depends on its variables alone: decoded weights, and all that follows from them.

A graph decodes its weights each time that it runs, so that no more than one member's lie in memory. Of a graph that is
to run often, all of it that no input reaches can be computed once: scales and offsets of norms, sums and other layouts
of matrices too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

READS = frozenset({"ReadVariableOp", "VariableV2", "Variable"})
HANDLES = frozenset({"VarHandleOp"})
LOOPS = frozenset({"Enter", "Exit", "Switch", "Merge", "NextIteration", "LoopCond"})
"""Operations of loops: what lies inside has a value for each turn."""


def fixed_tensors(inputs: Iterable[Any], outputs: Iterable[Any]) -> list[Any]:
    """The tensors at the border: computed of variables alone, and taken in by an operation that an input reaches.

    What outputs are made of is looked at alone. Operations with a state of their own count as reached by an input.
    """
    needed = _before(outputs)
    moving = _after([*(tensor.op for tensor in inputs), *(op for op in needed if _is_moving(op))])
    stored = _after(op for op in needed if op.type in READS)
    border = {
        tensor.name: tensor
        for op in needed
        if op in moving
        for tensor in op.inputs
        if tensor.op in stored and tensor.op not in moving
    }
    return list(border.values())


def added_bytes(tensors: Sequence[Any]) -> int:
    """Bytes that these tensors take beside the variables; one that is a variable's own value takes none."""
    return sum(
        math.prod(tensor.shape.as_list()) * tensor.dtype.size
        for tensor in tensors
        if tensor.op.type not in READS and tensor.shape.is_fully_defined()
    )


def _is_moving(op: Any) -> bool:
    return op.type in LOOPS or (op.op_def.is_stateful and op.type not in READS | HANDLES)


def _before(tensors: Iterable[Any]) -> set[Any]:
    """The operations that these tensors are computed by."""
    found: set[Any] = set()
    waiting = [tensor.op for tensor in tensors]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting.extend(tensor.op for tensor in op.inputs)
    return found


def _after(operations: Iterable[Any]) -> set[Any]:
    """These operations and all that take in what they compute."""
    found: set[Any] = set()
    waiting = list(operations)
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting.extend(consumer for tensor in op.outputs for consumer in tensor.consumers())
    return found
