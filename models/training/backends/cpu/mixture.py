"""The mixture of experts of every class, after its two products: gates and experts of a class lie side by side.

A vector holds the same gate of as many classes, and everything from the products' results to the probability, or from
its gradient to theirs, happens in registers.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu import vectors, workers
from gapsack.models.training.backends.cpu.vectors import LANES, VECTOR_BYTES
from gapsack.selection.compiled import jit

Floats = NDArray[np.float32]

_BLOCKS = 16  # of classes, in a task


def mixed(gates: Floats, experts: Floats, biases: Floats) -> Floats:
    """Probabilities [B, V]: sums over a class's experts of softmax(gates) * sigmoid(experts + biases).

    `gates` [B, V * (M + 1)], of which the last belongs to a dummy that predicts 0; `experts` [B, V * M], `biases`
    [V * M].
    """
    classes, mixtures = _shape(gates, experts)
    out = workers.aligned(len(gates), classes)
    mix = _compiled(mixtures).mix

    def stretch(task: tuple[int, int], scratch: Floats) -> None:
        mix(gates, experts, biases, out, *task, scratch.reshape(4, -1))

    workers.run(stretch, workers.stretches(classes, _BLOCKS * LANES), 4 * (mixtures + 1) * LANES)
    return out


def mixed_gradients(gates: Floats, experts: Floats, biases: Floats, upstream: Floats) -> tuple[Floats, Floats, Floats]:
    """Gradients of `mixed` in gates, experts and biases; `upstream` [B, V] is the gradient in its result."""
    classes, mixtures = _shape(gates, experts)
    of_gates, of_experts, of_biases = (workers.aligned(*operand.shape) for operand in (gates, experts, biases))
    unmix = _compiled(mixtures).unmix

    def stretch(task: tuple[int, int], scratch: Floats) -> None:
        sums, spare = scratch[: _BLOCKS * LANES * mixtures], scratch[_BLOCKS * LANES * mixtures :].reshape(6, -1)
        unmix(gates, experts, biases, upstream, of_gates, of_experts, of_biases, *task, sums, spare)

    tasks = workers.stretches(classes, _BLOCKS * LANES)
    workers.run(stretch, tasks, (_BLOCKS * mixtures + 6 * (mixtures + 1)) * LANES)
    return of_gates, of_experts, of_biases


def _shape(gates: Floats, experts: Floats) -> tuple[int, int]:
    """Classes and mixtures."""
    classes = gates.shape[1] - experts.shape[1]
    return classes, experts.shape[1] // classes


class _Compiled(NamedTuple):
    """For one number of mixtures, classes first … stop-1 of all videos.

    Classes that do not fill a vector are copied to `spare` and from there, zeros beside them.
    """

    mix: Callable[..., None]
    unmix: Callable[..., None]


@cache
def _compiled(mixtures: int) -> _Compiled:
    block, block_gradients = _block(mixtures), _block_gradients(mixtures)
    of_gates, of_experts = mixtures + 1, mixtures  # values of a class

    @jit()
    def mix(gates: Floats, experts: Floats, biases: Floats, out: Floats, first: int, stop: int, spare: Floats) -> None:
        whole = first + (stop - first) // LANES * LANES
        for video in range(len(gates)):
            gates_at, experts_at, out_at = gates[video].ctypes.data, experts[video].ctypes.data, out[video].ctypes.data
            for c in range(first, whole, LANES):
                bias_at = biases.ctypes.data + 4 * c * of_experts
                block(gates_at + 4 * c * of_gates, experts_at + 4 * c * of_experts, bias_at, out_at + 4 * c)
        if whole < stop:
            gate, expert, bias, to = spare[0], spare[1], spare[2], spare[3]
            for video in range(len(gates)):
                _fill(gate, gates[video, whole * of_gates : stop * of_gates])
                _fill(expert, experts[video, whole * of_experts : stop * of_experts])
                _fill(bias, biases[whole * of_experts : stop * of_experts])
                block(gate.ctypes.data, expert.ctypes.data, bias.ctypes.data, to.ctypes.data)
                out[video, whole:stop] = to[: stop - whole]

    @jit()
    def unmix(
        gates: Floats, experts: Floats, biases: Floats, upstream: Floats,
        to_gates: Floats, to_experts: Floats, to_biases: Floats, first: int, stop: int, sums: Floats, spare: Floats,
    ) -> None:  # fmt: skip
        sums[:] = 0
        whole = first + (stop - first) // LANES * LANES
        for video in range(len(gates)):
            gates_at, experts_at = gates[video].ctypes.data, experts[video].ctypes.data
            above_at = upstream[video].ctypes.data
            to_gates_at, to_experts_at = to_gates[video].ctypes.data, to_experts[video].ctypes.data
            for c in range(first, whole, LANES):
                at_gates, at_experts = 4 * c * of_gates, 4 * c * of_experts
                block_gradients(
                    gates_at + at_gates, experts_at + at_experts, biases.ctypes.data + at_experts, above_at + 4 * c,
                    to_gates_at + at_gates, to_experts_at + at_experts,
                    sums.ctypes.data + at_experts - 4 * first * of_experts,
                )  # fmt: skip
        if whole < stop:
            gate, expert, bias, above, to_gate, to_expert = spare[0], spare[1], spare[2], spare[3], spare[4], spare[5]
            total = sums.ctypes.data + 4 * (whole - first) * of_experts
            for video in range(len(gates)):
                _fill(gate, gates[video, whole * of_gates : stop * of_gates])
                _fill(expert, experts[video, whole * of_experts : stop * of_experts])
                _fill(bias, biases[whole * of_experts : stop * of_experts])
                _fill(above, upstream[video, whole:stop])
                block_gradients(
                    gate.ctypes.data, expert.ctypes.data, bias.ctypes.data, above.ctypes.data,
                    to_gate.ctypes.data, to_expert.ctypes.data, total,
                )  # fmt: skip
                to_gates[video, whole * of_gates : stop * of_gates] = to_gate[: (stop - whole) * of_gates]
                to_experts[video, whole * of_experts : stop * of_experts] = to_expert[: (stop - whole) * of_experts]
        to_biases[first * of_experts : stop * of_experts] = sums[: (stop - first) * of_experts]

    return _Compiled(mix, unmix)


@jit()
def _fill(buffer: Floats, values: Floats) -> None:
    """The values, and zeros after them."""
    buffer[: len(values)] = values
    buffer[len(values) :] = 0


def _block(mixtures: int) -> Any:
    """Probabilities of as many classes as a vector has lanes, of one video; all arguments are addresses."""

    @intrinsic
    def tile(_typing: Any, gates: Any, experts: Any, biases: Any, out: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            gates, experts, biases, out = arguments
            shares, chances = _shares_and_chances(builder, mixtures, gates, experts, biases)
            vectors.store(builder, _weighted(builder, shares, chances), out, 0)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 4), generate

    return tile


def _block_gradients(mixtures: int) -> Any:
    """As `_block`, backwards; the gradients of experts are added to what is at `sums`, as they lie."""

    @intrinsic
    def tile(
        _typing: Any, gates: Any, experts: Any, biases: Any, upstream: Any, to_gates: Any, to_experts: Any, sums: Any
    ) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            gates, experts, biases, upstream, to_gates, to_experts, sums = arguments
            shares, chances = _shares_and_chances(builder, mixtures, gates, experts, biases)
            found = _weighted(builder, shares, chances)
            above = vectors.load(builder, upstream, 0)
            weighted = [builder.fmul(above, share) for share in shares]
            one = vectors.constant(1)
            of_gates = [
                builder.fmul(part, builder.fsub(chance, found)) for part, chance in zip(weighted, chances, strict=False)
            ]
            of_gates.append(builder.fneg(builder.fmul(weighted[-1], found)))
            of_experts = [
                builder.fmul(builder.fmul(part, chance), builder.fsub(one, chance))
                for part, chance in zip(weighted, chances, strict=False)
            ]
            _store_all(builder, vectors.mixed(builder, of_gates), to_gates)
            of_experts = vectors.mixed(builder, of_experts)
            _store_all(builder, of_experts, to_experts)
            before = _load_all(builder, mixtures, sums)
            _store_all(builder, [builder.fadd(a, b) for a, b in zip(before, of_experts, strict=True)], sums)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 7), generate

    return tile


def _shares_and_chances(builder: Any, mixtures: int, gates: Any, experts: Any, biases: Any) -> tuple[Any, Any]:
    """Softmax of the gates, and sigmoids of the experts, a vector for each."""
    raw = vectors.parted(builder, _load_all(builder, mixtures + 1, gates))
    highest = raw[0]
    for gate in raw[1:]:
        highest = vectors.maximum(builder, highest, gate)
    powers = [vectors.exponential(builder, builder.fsub(gate, highest)) for gate in raw]
    total = powers[0]
    for power in powers[1:]:
        total = builder.fadd(total, power)
    one = vectors.constant(1)
    inverse = builder.fdiv(one, total)
    logits = [
        builder.fadd(logit, bias)
        for logit, bias in zip(_load_all(builder, mixtures, experts), _load_all(builder, mixtures, biases), strict=True)
    ]
    chances = []
    for logit in vectors.parted(builder, logits):
        power = vectors.exponential(builder, builder.fneg(logit))
        chances.append(builder.fdiv(one, builder.fadd(one, power)))
    return [builder.fmul(power, inverse) for power in powers], chances


def _weighted(builder: Any, shares: list[Any], chances: list[Any]) -> Any:
    found = builder.fmul(shares[0], chances[0])
    for share, chance in zip(shares[1:], chances[1:], strict=False):
        found = vectors.multiply_add(builder, share, chance, found)
    return found


def _load_all(builder: Any, count: int, address: Any) -> list[Any]:
    return [vectors.load(builder, address, n * VECTOR_BYTES) for n in range(count)]


def _store_all(builder: Any, values: list[Any], address: Any) -> None:
    for n, value in enumerate(values):
        vectors.store(builder, value, address, n * VECTOR_BYTES)
