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
from models.cpu.turning import turn
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

    def videos(task: tuple[int, int], _scratch: Floats) -> None:
        _code_sums(frames, *task, sums, squares)

    workers.run(videos, workers.shares(len(frames)))
    return sums, squares


def scores(part: Part, matrix: Floats) -> Floats:
    """Unit frames @ matrix [features, K], or each video's by its own [B, features, K] -> [B, T, K]."""
    length, clusters = part.frames.shape[1], matrix.shape[-1]
    padded = -(-clusters // _CLUSTERS) * _CLUSTERS
    out = np.empty((*part.frames.shape[:2], clusters), np.float32)
    matrices = matrix.reshape(-1, *matrix.shape[-2:])

    def videos(task: tuple[int, int], scratch: Floats) -> None:
        dots = scratch[: length * padded].reshape(length, padded)
        turned = scratch[dots.size :].reshape(padded, part.features)
        _score_videos(part, *task, matrices, turned, dots, out)

    workers.run(videos, workers.shares(len(out)), padded * (length + part.features))
    return out


def assigned(part: Part, weights: Floats) -> Floats:
    """unit_frames.T @ weights [B, T, K] of each video -> [B, features, K]."""
    videos, length, clusters = weights.shape
    padded = -(-clusters // _SUM_CLUSTERS) * _SUM_CLUSTERS
    out = np.empty((videos, part.features, clusters), np.float32)

    def each(task: tuple[int, int], scratch: Floats) -> None:
        totals = scratch[: padded * part.features].reshape(padded, part.features)
        _assign_each(part, *task, weights, scratch[totals.size :].reshape(length, padded), totals, out)

    workers.run(each, workers.shares(videos), padded * (part.features + length))
    return out


def assigned_by_all(part: Part, weights: Floats) -> Floats:
    """The sum of `assigned` over all videos: [features, K]."""
    videos, length, clusters = weights.shape
    padded = -(-clusters // _SUM_CLUSTERS) * _SUM_CLUSTERS
    groups = workers.stretches(videos, -(-videos // _GROUPS))
    found = np.zeros((len(groups), padded, part.features), np.float32)

    def group(index: int, scratch: Floats) -> None:
        for video in range(*groups[index]):
            _add_assigned(part, video, weights, scratch.reshape(length, padded), found[index])

    workers.run(group, range(len(groups)), length * padded)
    out = np.empty((part.features, clusters), np.float32)
    turn(found.sum(axis=0)[:clusters], out)
    return out


@njit(nogil=True, cache=True)
def _code_sums(
    frames: NDArray[np.uint8], first: int, stop: int, sums: NDArray[np.int32], squares: NDArray[np.int32]
) -> None:
    for video in range(first, stop):
        for i in range(frames.shape[1]):
            total, square = np.int32(0), np.int32(0)
            for value in frames[video, i]:
                code = np.int32(value) - np.int32(SIGN_BIT)
                total += code
                square += code * code
            sums[video, i], squares[video, i] = total, square


@njit(nogil=True, cache=True)
def _score_videos(
    part: Part, start: int, stop: int, matrices: Floats, turned: Floats, dots: Floats, out: Floats
) -> None:
    """Videos start … stop-1, by their own of several matrices or by the one; `turned` and `dots` are for use."""
    for video in range(start, stop):
        if len(matrices) > 1 or video == start:
            turn(matrices[video if len(matrices) > 1 else 0], turned)
        _dots_of_video(part.frames[video], part.first, turned, dots)
        _score_video(part, video, turned, dots, out[video])


@njit(nogil=True, cache=True)
def _dots_of_video(frames: NDArray[np.uint8], first: int, turned: Floats, dots: Floats) -> None:
    """Codes by `turned` [padded, features], all features that fill vectors, into `dots` [T, padded]."""
    length, width = frames.shape
    padded, features = turned.shape
    codes = frames.ctypes.data + first
    for k in range(0, padded, _CLUSTERS):
        numbers, row = turned[k].ctypes.data, 0
        while row < length:
            at, to = codes + row * width, dots.ctypes.data + 4 * (row * padded + k)
            if row + _FRAMES <= length:
                _dots(at, width, numbers, 4 * features, to, 4 * padded, features // LANES)
                row += _FRAMES
            else:
                _single_dots(at, width, numbers, 4 * features, to, 4 * padded, features // LANES)
                row += 1


@njit(nogil=True, cache=True)
def _score_video(part: Part, video: int, turned: Floats, dots: Floats, out: Floats) -> None:
    """Add the features that do not fill a vector, and apply gain and shift; `out` [T, K]."""
    features = turned.shape[1]
    for k in range(out.shape[1]):
        column_sum = np.float32(0)
        for value in turned[k]:
            column_sum += value
        for i in range(len(out)):
            dot = dots[i, k]
            for feature in range(features // LANES * LANES, features):
                code = np.float32(part.frames[video, i, part.first + feature]) - np.float32(SIGN_BIT)
                dot += code * turned[k, feature]
            out[i, k] = dot * part.gain[video, i] + part.shift[video, i] * column_sum


@njit(nogil=True, cache=True)
def _assign_each(
    part: Part, start: int, stop: int, weights: Floats, scaled: Floats, totals: Floats, out: Floats
) -> None:
    """Videos start … stop-1, each for itself; `scaled` and `totals` are for use."""
    for video in range(start, stop):
        totals[:] = 0
        _add_assigned(part, video, weights, scaled, totals)
        turn(totals[: weights.shape[2]], out[video])


@njit(nogil=True, cache=True)
def _add_assigned(part: Part, video: int, weights: Floats, scaled: Floats, totals: Floats) -> None:
    """Add a video to `totals` [padded, features]; `scaled` [T, padded] is for use."""
    length, clusters = weights.shape[1:]
    frames, first, width = part.frames[video], part.first, part.frames.shape[2]
    padded, features = totals.shape
    for i in range(length):
        for k in range(clusters):
            scaled[i, k] = weights[video, i, k] * part.gain[video, i]
        scaled[i, clusters:] = 0
    whole = features // _SUM_FEATURES * _SUM_FEATURES
    for feature in range(0, whole, _SUM_FEATURES):
        codes = frames.ctypes.data + first + feature
        for k in range(0, padded, _SUM_CLUSTERS):
            numbers, to = scaled.ctypes.data + 4 * k, totals[k].ctypes.data + 4 * feature
            _sums(numbers, 4, 4 * padded, codes, width, to, 4 * features, length, to, 0)
    for k in range(clusters):
        moved = np.float32(0)
        for i in range(length):
            moved += weights[video, i, k] * part.shift[video, i]
            for feature in range(whole, features):
                totals[k, feature] += (np.float32(frames[i, first + feature]) - np.float32(SIGN_BIT)) * scaled[i, k]
        for feature in range(features):
            totals[k, feature] += moved
