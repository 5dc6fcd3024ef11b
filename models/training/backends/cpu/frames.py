"""NetVLAD's two products on frames as they lie on disk: bytes go straight into the processor's registers.

A unit frame is `code * gain + shift` with code = q - 128 (see `models.layers.frames`, whose codes are a 128th of
these), so products are taken on codes, which are exact, and gain and shift touch the small results only. What a video
has for each cluster and frame lies as [clusters, frames].
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu import tiles, workers
from gapsack.models.training.backends.cpu.lanes import TILING, padded
from gapsack.models.training.backends.cpu.transpose import turn
from gapsack.models.training.backends.cpu.vectors import LANES, SIGN_BIT
from gapsack.selection.compiled import jit
from gapsack.selection.memory import LINE_BYTES

Floats = NDArray[np.float32]

_FRAMES, _CLUSTERS = TILING.dot
_SUM_CLUSTERS, _SUM_VECTORS = 8, 2  # of a tile of sums over frames
_SUM_FEATURES = _SUM_VECTORS * LANES

_dots, _single_dots = tiles.dot_tile(_FRAMES, _CLUSTERS), tiles.dot_tile(1, _CLUSTERS)
_sums = tiles.product_tile(_SUM_CLUSTERS, _SUM_VECTORS, codes=True)


class Part(NamedTuple):
    """Features first … first+features-1 of frames uint8 [B, T, width], and what makes unit vectors of the codes.

    `gain`, `shift`: float32 [B, T].
    """

    frames: NDArray[np.uint8]
    first: int
    features: int
    gain: Floats
    shift: Floats


def code_sums(frames: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sum of each frame's codes and of their squares, both [B, T]."""
    sums, squares = np.empty((2, *frames.shape[:2]), np.int32)

    def videos(task: tuple[int, int], _scratch: Floats) -> None:
        _code_sums(frames, *task, sums, squares)

    workers.run(videos, workers.shares(len(frames)))
    return sums, squares


def padded_clusters(clusters: int) -> int:
    """Rows of `turned`, `scaled` and `totals` below: zeros after the clusters, up to whole tiles."""
    return padded(clusters, max(_CLUSTERS, _SUM_CLUSTERS))


@jit()
def score(part: Part, video: int, turned: Floats, constants: Floats, dots: Floats, out: Floats) -> None:
    """A video's unit frames by the rows of `turned` [padded, at least features], plus a constant each -> [K, T].

    `dots` [T, padded] is for use.
    """
    features = part.features
    _dots_of_video(part.frames[video], part.first, features, turned, dots)
    turn(dots[:, : len(out)], out)
    gain, shift = part.gain[video], part.shift[video]
    for k in range(len(out)):
        for feature in range(features // LANES * LANES, features):
            for i in range(len(gain)):
                code = np.float32(part.frames[video, i, part.first + feature]) - np.float32(SIGN_BIT)
                out[k, i] += code * turned[k, feature]
        row, row_sum, constant = out[k], total(turned[k, :features]), constants[k]
        for i in range(len(gain)):
            row[i] = row[i] * gain[i] + (shift[i] * row_sum + constant)


@jit()
def add_assigned(part: Part, video: int, weights: Floats, scaled: Floats, totals: Floats) -> None:
    """Add weights [K, T] @ a video's unit frames to `totals` [padded, features]; `scaled` [padded, T] is for use."""
    clusters, length = weights.shape
    frames, first, width = part.frames[video], part.first, part.frames.shape[2]
    gain, shift = part.gain[video], part.shift[video]
    rows, features = totals.shape
    for k in range(clusters):
        row, weight = scaled[k], weights[k]
        for i in range(length):
            row[i] = weight[i] * gain[i]
    scaled[clusters:] = 0
    whole = features // _SUM_FEATURES * _SUM_FEATURES
    for feature in range(0, whole, _SUM_FEATURES):
        codes = frames.ctypes.data + first + feature
        for k in range(0, rows, _SUM_CLUSTERS):
            numbers, to = scaled[k].ctypes.data, totals[k].ctypes.data + 4 * feature
            # The bytes beside these come next.
            _sums(numbers, 4 * length, 4, codes, width, to, 4 * features, length, codes + LINE_BYTES, width, 0)
    for k in range(clusters):
        for feature in range(whole, features):
            for i in range(length):
                totals[k, feature] += (np.float32(frames[i, first + feature]) - np.float32(SIGN_BIT)) * scaled[k, i]
        moved, sums = inner(weights[k], shift), totals[k]
        for feature in range(features):
            sums[feature] += moved


@jit(fastmath={"reassoc"})
def total(row: Floats) -> np.float32:
    """Sum of a row, in an order that makes vectors of it."""
    found = np.float32(0)
    for i in range(len(row)):  # numba makes no vectors of a loop over the values themselves
        found += row[i]
    return found


@jit(fastmath={"reassoc"})
def inner(left: Floats, right: Floats) -> np.float32:
    """Sum of two rows' products, in an order that makes vectors of it."""
    found = np.float32(0)
    for i in range(len(left)):
        found += left[i] * right[i]
    return found


@jit()
def _dots_of_video(frames: NDArray[np.uint8], first: int, features: int, turned: Floats, dots: Floats) -> None:
    """Codes by `turned` [padded, at least features], all that fill vectors, into `dots` [T, padded]."""
    length, width = frames.shape
    rows, number_row = len(turned), 4 * turned.shape[1]
    codes = frames.ctypes.data + first
    for k in range(0, rows, _CLUSTERS):
        numbers, row = turned[k].ctypes.data, 0
        while row < length:
            at, to = codes + row * width, dots.ctypes.data + 4 * (row * rows + k)
            if row + _FRAMES <= length:
                _dots(at, width, numbers, number_row, to, 4 * rows, features // LANES)
                row += _FRAMES
            else:
                _single_dots(at, width, numbers, number_row, to, 4 * rows, features // LANES)
                row += 1


@jit()
def _code_sums(
    frames: NDArray[np.uint8], first: int, stop: int, sums: NDArray[np.int32], squares: NDArray[np.int32]
) -> None:
    for video in range(first, stop):
        for i in range(frames.shape[1]):
            total, square = np.int32(0), np.int32(0)
            row = frames[video, i]
            for feature in range(len(row)):
                code = np.int32(row[feature]) - np.int32(SIGN_BIT)
                total += code
                square += code * code
            sums[video, i], squares[video, i] = total, square
