"""NetVLAD's two products on frames as they lie on disk: bytes go straight into the processor's registers.

A unit frame is `code * gain + shift` with code = q - 128 (see `models.layers.frames`, whose codes are a 128th of
these), so products are taken on codes, which are exact, and gain and shift touch the small results only.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cpu import tiles, workers
from models.cpu.lanes import TILING
from models.cpu.vectors import LANES, SIGN_BIT

Floats = NDArray[np.float32]

_FRAMES, _CLUSTERS = TILING.dot
_SUM_CLUSTERS, _SUM_VECTORS = 8, 2  # of a tile of sums over frames
_SUM_FEATURES = _SUM_VECTORS * LANES
_GROUPS = 16  # of videos, each summed for itself: a number that no count of threads changes

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

    def video(index: int, _scratch: Floats) -> None:
        _code_sums(frames[index], sums[index], squares[index])

    workers.run(video, range(len(frames)))
    return sums, squares


def scores(part: Part, matrix: Floats) -> Floats:
    """Unit frames @ matrix [features, K], or each video's by its own [B, features, K] -> [B, T, K]."""
    videos, length = part.frames.shape[:2]
    clusters = matrix.shape[-1]
    padded = -(-clusters // _CLUSTERS) * _CLUSTERS
    out = np.empty((videos, length, clusters), np.float32)
    shared = (
        _clusters_first(matrix, padded, np.empty((padded, part.features), np.float32)) if matrix.ndim == 2 else None
    )

    def video(index: int, scratch: Floats) -> None:
        dots, turned = scratch[: length * padded].reshape(length, padded), shared
        if turned is None:
            turned = _clusters_first(matrix[index], padded, scratch[dots.size :].reshape(padded, part.features))
        _score_video(part.frames[index], part.first, turned, part.gain[index], part.shift[index], dots, out[index])

    workers.run(video, range(videos), length * padded + (padded * part.features if shared is None else 0))
    return out


def assigned(part: Part, weights: Floats) -> Floats:
    """unit_frames.T @ weights [B, T, K] of each video -> [B, features, K]."""
    videos, length, clusters = weights.shape
    padded = -(-clusters // _SUM_CLUSTERS) * _SUM_CLUSTERS
    out = np.empty((videos, part.features, clusters), np.float32)

    def video(index: int, scratch: Floats) -> None:
        totals = scratch[: padded * part.features].reshape(padded, part.features)
        totals[:] = 0
        _add_video(part, index, weights, scratch[totals.size :].reshape(length, padded), totals)
        _features_first(totals, out[index])

    workers.run(video, range(videos), padded * (part.features + length))
    return out


def assigned_by_all(part: Part, weights: Floats) -> Floats:
    """The sum of `assigned` over all videos: [features, K]."""
    videos, length, clusters = weights.shape
    padded = -(-clusters // _SUM_CLUSTERS) * _SUM_CLUSTERS
    found = np.zeros((min(_GROUPS, videos), padded, part.features), np.float32)

    def group(index: int, scratch: Floats) -> None:
        for video in range(index, videos, len(found)):
            _add_video(part, video, weights, scratch.reshape(length, padded), found[index])

    workers.run(group, range(len(found)), length * padded)
    out = np.empty((part.features, clusters), np.float32)
    _features_first(found.sum(axis=0), out)
    return out


def _add_video(part: Part, video: int, weights: Floats, scaled: Floats, totals: Floats) -> None:
    gain, shift = part.gain[video], part.shift[video]
    _add_assigned(part.frames[video], part.first, weights[video], gain, shift, scaled, totals)


@njit(nogil=True, cache=True)
def _code_sums(frames: NDArray[np.uint8], sums: NDArray[np.int32], squares: NDArray[np.int32]) -> None:
    for i in range(len(frames)):
        total, square = np.int32(0), np.int32(0)
        for value in frames[i]:
            code = np.int32(value) - np.int32(SIGN_BIT)
            total += code
            square += code * code
        sums[i], squares[i] = total, square


@njit(nogil=True, cache=True)
def _clusters_first(matrix: Floats, padded: int, out: Floats) -> Floats:
    """matrix [features, K] as [padded, features], zeros beyond K."""
    features, clusters = matrix.shape
    for start in range(0, features, 16):
        for k in range(clusters):
            for feature in range(start, min(start + 16, features)):
                out[k, feature] = matrix[feature, k]
    out[clusters:padded] = 0
    return out


@njit(nogil=True, cache=True)
def _features_first(totals: Floats, out: Floats) -> None:
    """totals [padded, features] as [features, K]."""
    features, clusters = out.shape
    for start in range(0, features, 16):
        for k in range(clusters):
            for feature in range(start, min(start + 16, features)):
                out[feature, k] = totals[k, feature]


@njit(nogil=True, cache=True)
def _score_video(
    frames: NDArray[np.uint8], first: int, turned: Floats, gain: Floats, shift: Floats, dots: Floats, out: Floats
) -> None:
    """`turned` [padded, features], `dots` [T, padded], `out` [T, K]."""
    length, width = frames.shape
    padded, features = turned.shape
    whole = features // LANES
    codes = frames.ctypes.data + first
    for k in range(0, padded, _CLUSTERS):
        numbers, row = turned[k].ctypes.data, 0
        while row < length:
            at, to = codes + row * width, dots.ctypes.data + 4 * (row * padded + k)
            if row + _FRAMES <= length:
                _dots(at, width, numbers, 4 * features, to, 4 * padded, whole)
                row += _FRAMES
            else:
                _single_dots(at, width, numbers, 4 * features, to, 4 * padded, whole)
                row += 1
    for k in range(out.shape[1]):
        column_sum = np.float32(0)
        for value in turned[k]:
            column_sum += value
        for i in range(length):
            dot = dots[i, k]
            for feature in range(whole * LANES, features):
                dot += (np.float32(frames[i, first + feature]) - np.float32(SIGN_BIT)) * turned[k, feature]
            out[i, k] = dot * gain[i] + shift[i] * column_sum


@njit(nogil=True, cache=True)
def _add_assigned(
    frames: NDArray[np.uint8],
    first: int,
    weights: Floats,
    gain: Floats,
    shift: Floats,
    scaled: Floats,
    totals: Floats,
) -> None:
    """`weights` [T, K], `scaled` [T, padded] of any content, `totals` [padded, features] to which is added."""
    length, clusters = weights.shape
    width, (padded, features) = frames.shape[1], totals.shape
    for i in range(length):
        for k in range(clusters):
            scaled[i, k] = weights[i, k] * gain[i]
        scaled[i, clusters:] = 0
    whole = features // _SUM_FEATURES * _SUM_FEATURES
    codes = frames.ctypes.data + first
    for feature in range(0, whole, _SUM_FEATURES):
        for k in range(0, padded, _SUM_CLUSTERS):
            numbers, to = scaled.ctypes.data + 4 * k, totals[k].ctypes.data + 4 * feature
            _sums(numbers, 4, 4 * padded, codes + feature, width, to, 4 * features, length, to, 0)
    for k in range(clusters):
        moved = np.float32(0)
        for i in range(length):
            moved += weights[i, k] * shift[i]
            for feature in range(whole, features):
                totals[k, feature] += (np.float32(frames[i, first + feature]) - np.float32(SIGN_BIT)) * scaled[i, k]
        for feature in range(features):
            totals[k, feature] += moved
