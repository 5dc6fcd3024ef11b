"""Integer values and their scales: symmetric quantization whose scales minimise the squared error.

A matrix is cut into groups of rows; each group and column has one scale s, and w is stored as the integer
q = round(w / s). Rounding with s = peak / levels keeps every weight in range but spends levels on outliers;
here a few smaller scales are tried for every group and column, each followed by the closed-form best scale
for the integers that it gives (s = Σ h w q / Σ h q²), and the one of least error Σ h (w - s q)² is kept, with h
the importance of the row. Scales may be negative: the element of largest magnitude is given the one extra
level that two's complement has on its negative side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_BLOCK_ELEMENTS = 1 << 20
"""Elements worked on at a time: small enough for the cache, and bounds the memory beside the tensor."""

DAMPING = 0.01
"""Added to the moments' diagonal, as a share of its mean: keeps what few videos suggest from being overdone."""
_SMALLEST = 1e-12

PEAK_RATIOS: dict[int, tuple[float, ...]] = {
    8: (1.0, 0.95, 0.9, 0.8, 0.7),
    4: (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5),
}
"""Starting scales tried by bits, as shares of the scale that reaches the peak: below these nothing was gained."""


class Quantized(NamedTuple):
    """Integers [rows, columns] in int8 whatever the bits, and the weight that each stands for:
    `values * scales[row // group_rows] * unit`."""

    values: NDArray[np.int8]
    scales: NDArray[np.float16]
    unit: NDArray[np.float32]


def quantize(
    matrix: NDArray[np.float32],
    *,
    bits: int,
    group_rows: int,
    moments: NDArray[np.float32] | None = None,
) -> Quantized:
    """Integers and float16 scales of least squared error.

    Args:
        matrix: [rows, columns].
        bits: 4 or 8.
        group_rows: Rows that share a scale in each column.
        moments: [groups, group_rows, group_rows], of the inputs.

    Scales are stored relative to `unit`, the largest of the tensor, so float16's range does not matter: a scale lost to
    underflow is 2^-24 of the largest one.
    """
    rows, columns = matrix.shape
    groups = -(-rows // group_rows)
    values = np.zeros((rows, columns), np.int8)
    scales = np.zeros((groups, columns), np.float16)
    low = -(1 << (bits - 1))
    unit = np.float32(np.abs(matrix).max(initial=0.0) / -low)
    if unit == 0:
        return Quantized(values, scales, np.asarray(unit))
    for group in range(groups):
        inside = slice(group * group_rows, min(rows, (group + 1) * group_rows))
        count = inside.stop - inside.start
        second = None if moments is None else moments[group, :count, :count]
        importance = np.ones(count, np.float32) if second is None else np.diagonal(second)
        step = max(1, _BLOCK_ELEMENTS // count)
        for start in range(0, columns, step):
            block = (inside, slice(start, start + step))
            weights = matrix[block] / unit
            values[block], scale = _best(weights, importance[:, None], low, PEAK_RATIOS[bits])
            if second is not None:
                values[block] = _feed_back(weights, scale, second, low)
            scales[group, block[1]] = scale
    return Quantized(values, scales, np.asarray(unit))


def expand_scales(scales: NDArray[np.float16], rows: int, group_rows: int) -> NDArray[np.float32]:
    """Scales [groups, columns] repeated to [rows, columns]; left at [1, columns] when one group covers all."""
    if scales.shape[0] == 1:
        return scales.astype(np.float32)
    return np.repeat(scales.astype(np.float32), group_rows, axis=0)[:rows]


def _best(
    block: NDArray[np.float32], h: NDArray[np.float32], low: int, ratios: Sequence[float]
) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Integers [rows, columns] and scales [columns] of least error among the ratios and their refinements."""
    high, least = block.max(axis=0), block.min(axis=0)
    full = np.where(high > -least, high, least) / low
    best_scale = np.zeros(block.shape[1], np.float16)
    best_error = np.full(block.shape[1], np.inf, np.float32)
    for ratio in ratios:
        scale = (full * ratio).astype(np.float16)
        for _ in range(2):
            integers = _round(block, scale, low)
            residual = block - integers * scale.astype(np.float32)
            error = np.einsum("rc,rc,rk->c", residual, residual, h)
            better = error < best_error
            best_error = np.where(better, error, best_error)
            best_scale = np.where(better, scale, best_scale)
            weighted = integers * h
            norm = np.einsum("rc,rc->c", weighted, integers)
            product = np.einsum("rc,rc->c", weighted, block)
            scale = np.divide(product, norm, out=np.zeros_like(product), where=norm > 0).astype(np.float16)
    return _round(block, best_scale, low).astype(np.int8), best_scale


def _feed_back(
    weights: NDArray[np.float32], scale: NDArray[np.float16], second: NDArray[np.float32], low: int
) -> NDArray[np.int8]:
    """Integers [rows, columns] whose errors make up for each other in the output; rows in turn, columns all at once."""
    count = len(weights)
    damped = second.astype(np.float64) + np.eye(count) * (DAMPING * np.trace(second) / count + _SMALLEST)
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    pending, integers = weights.copy(), np.empty(weights.shape, np.int8)
    for row in range(count):
        rounded = _round(pending[row], scale, low)
        integers[row] = rounded
        error = (pending[row] - rounded * scale.astype(np.float32)) / np.float32(factor[row, row])
        pending[row + 1 :] -= factor[row, row + 1 :, None].astype(np.float32) * error
    return integers


def _round(block: NDArray[np.float32], scale: NDArray[np.float16], low: int) -> NDArray[np.float32]:
    wide = scale.astype(np.float32)
    inverse = np.divide(np.float32(1), wide, out=np.zeros_like(wide), where=wide != 0)
    return np.clip(np.rint(block * inverse), low, -low - 1)
