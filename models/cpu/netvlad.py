"""NetVLAD on a batch of frames, forwards and backwards, each in two passes over the videos.

What a video needs between its bytes and its descriptor stays in the caches of one core. Batch norm takes the sums over
all frames of the batch, which is why there are two passes.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cpu import workers
from models.cpu.frames import Part, add_assigned, inner, padded_clusters, score, total
from models.cpu.lanes import padded
from models.cpu.tiles import exponentials
from models.cpu.turning import turn
from models.cpu.vectors import LANES

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_GROUPS = 16  # of videos, each summed for itself: a number that no count of threads changes


class Statistics(NamedTuple):
    """Of the scores of each cluster, over all frames: float32 [K] each."""

    mean: Floats
    variance: Floats


class Described(NamedTuple):
    """Descriptors, and what their gradients need.

    Attributes:
        descriptor: [B, features * K], feature-major.
        scores: Before batch norm, [B, K, T].
        share: Soft assignments, [B, K, T].
        sizes: Sums of the assignments, [B, K].
        inverses: Of the norms of the residuals, and last of all of them together, [B, K + 1].
    """

    descriptor: Floats
    scores: Floats
    share: Floats
    sizes: Floats
    inverses: Floats


class Limits(NamedTuple):
    """`epsilon` is added to a variance, and a square that is divided by is at least `square`."""

    epsilon: np.float32
    square: np.float32


def scored(part: Part, assignment: Floats) -> tuple[Floats, Statistics]:
    """Unit frames by the assignment's clusters [features, K] -> [B, K, T], and their statistics."""
    videos, length, clusters = *part.frames.shape[:2], assignment.shape[1]
    rows = padded_clusters(clusters)
    turned = workers.aligned(rows, part.features)
    turn(assignment, turned)
    scores, sums = workers.aligned(videos, clusters, length), np.empty((videos, 2, clusters))

    def some(task: tuple[int, int], scratch: Floats) -> None:
        _score_videos(part, *task, turned, scratch.reshape(length, rows), scores, sums)

    workers.run(some, workers.shares(videos), length * rows)
    mean, mean_square = sums.sum(axis=0) / (videos * length)
    variance = np.maximum(mean_square - mean**2, 0)
    return scores, Statistics(mean.astype(np.float32), variance.astype(np.float32))


def described(part: Part, scores: Floats, scale: Floats, offset: Floats, centres: Floats, limits: Limits) -> Described:
    """Descriptors of assignments softmax(scores * scale + offset) and of centres [features, K]."""
    videos, clusters, length = scores.shape
    rows, features = padded_clusters(clusters), part.features
    turned = np.empty((clusters, features), np.float32)
    turn(centres, turned)
    found = Described(
        workers.aligned(videos, features * clusters),
        scores,
        share=workers.aligned(videos, clusters, length),
        sizes=workers.aligned(videos, clusters),
        inverses=workers.aligned(videos, clusters + 1),
    )
    powers_size = padded(clusters * length, LANES)

    def some(task: tuple[int, int], scratch: Floats) -> None:
        powers, rest = scratch[:powers_size], scratch[powers_size:]
        scaled, residuals = rest[: rows * length].reshape(rows, length), rest[rows * length :]
        _describe_videos(
            part, *task, scale, offset, turned, limits, powers, scaled, residuals.reshape(rows, features), found
        )

    workers.run(some, workers.shares(videos), powers_size + rows * (length + features))
    return found


def gradients(
    part: Part,
    found: Described,
    upstream: Floats,
    statistics: Statistics,
    gamma: Floats,
    centres: Floats,
    limits: Limits,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Of assignment [features, K], gamma, beta [K] and centres [features, K]; `upstream` is that of the descriptor.

    For assignments softmax(normalised scores * gamma + beta) and the batch's own statistics.
    """
    videos, clusters, length = found.scores.shape
    rows, features = padded_clusters(clusters), part.features
    turned = np.empty((clusters, features), np.float32)
    turn(centres, turned)
    deviation = np.sqrt(statistics.variance + limits.epsilon)
    of_scores, sums = np.empty_like(found.scores), np.empty((videos, 2, clusters))
    groups = workers.stretches(videos, -(-videos // _GROUPS))
    of_centres = np.zeros((len(groups), clusters, features), np.float32)
    of_assignment = np.zeros((len(groups), rows, features), np.float32)

    def backwards(index: int, scratch: Floats) -> None:
        matrices, dots = scratch[: 2 * rows * features].reshape(2, rows, features), scratch[2 * rows * features :]
        _undescribe_videos(
            part, *groups[index], found, upstream, turned, limits, matrices, dots.reshape(length, rows),
            of_scores, of_centres[index],
        )  # fmt: skip
        _sum_for_batch_norm(of_scores, found.scores, *groups[index], statistics.mean, deviation, sums)

    workers.run(backwards, range(len(groups)), rows * (2 * features + length))
    of_beta, of_gamma = sums.sum(axis=0)
    count = videos * length
    # Of batch norm, what a score's gradient is multiplied by, what the score is, and what is added.
    scale = gamma / deviation
    of_score = -scale * of_gamma / count / deviation
    added = -scale * of_beta / count - of_score * statistics.mean
    factors = np.stack([scale, of_score, added]).astype(np.float32)

    def assign(index: int, scratch: Floats) -> None:
        weights, scaled = scratch[: clusters * length].reshape(clusters, length), scratch[clusters * length :]
        _unscore_videos(
            part, *groups[index], of_scores, found.scores, factors, weights, scaled.reshape(rows, length),
            of_assignment[index],
        )  # fmt: skip

    workers.run(assign, range(len(groups)), (clusters + rows) * length)
    results = []
    for by_group in (of_assignment, of_centres):
        out = np.empty((features, clusters), np.float32)
        turn(by_group.sum(axis=0)[:clusters], out)
        results.append(out)
    return results[0], of_gamma.astype(np.float32), of_beta.astype(np.float32), results[1]


@njit(nogil=True, cache=True)
def _score_videos(
    part: Part, start: int, stop: int, turned: Floats, dots: Floats, scores: Floats, sums: Doubles
) -> None:
    none = np.zeros(scores.shape[1], np.float32)
    for video in range(start, stop):
        score(part, video, turned, none, dots, scores[video])
        for k in range(scores.shape[1]):
            sums[video, 0, k], sums[video, 1, k] = _sum_and_squares(scores[video, k])


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def _sum_and_squares(row: Floats) -> tuple[float, float]:
    found, squares = 0.0, 0.0
    for i in range(len(row)):
        value = np.float64(row[i])
        found += value
        squares += value * value
    return found, squares


@njit(nogil=True, cache=True)
def _describe_videos(
    part: Part,
    start: int,
    stop: int,
    scale: Floats,
    offset: Floats,
    centres: Floats,
    limits: Limits,
    powers: Floats,
    scaled: Floats,
    residuals: Floats,
    found: Described,
) -> None:
    clusters, features = centres.shape
    for video in range(start, stop):
        share, sizes, inverses = found.share[video], found.sizes[video], found.inverses[video]
        _softmax(found.scores[video], scale, offset, powers, share)
        residuals[:] = 0
        add_assigned(part, video, share, scaled, residuals)
        square = np.float32(0)
        for k in range(clusters):
            sizes[k] = total(share[k])
            row = residuals[k]
            for feature in range(features):
                row[feature] -= sizes[k] * centres[k, feature]
            inverses[k] = np.float32(1) / np.sqrt(max(inner(row, row), limits.square))
            for feature in range(features):
                row[feature] *= inverses[k]
            square += inner(row, row)
        inverses[clusters] = np.float32(1) / np.sqrt(max(square, limits.square))
        for k in range(clusters):
            for feature in range(features):
                residuals[k, feature] *= inverses[clusters]
        turn(residuals[:clusters], found.descriptor[video].reshape(features, clusters))


@njit(nogil=True, cache=True)
def _softmax(scores: Floats, scale: Floats, offset: Floats, powers: Floats, share: Floats) -> None:
    """Over the clusters of scores * scale + offset, [K, T]; `powers` has room for as many, in whole vectors."""
    clusters, length = scores.shape
    logits = powers[: clusters * length].reshape(clusters, length)
    powers[clusters * length :] = 0
    highest, sums = np.empty(length, np.float32), np.zeros(length, np.float32)
    highest[:] = -np.inf
    for k in range(clusters):
        for i in range(length):
            logits[k, i] = scores[k, i] * scale[k] + offset[k]
            highest[i] = max(highest[i], logits[k, i])
    for k in range(clusters):
        for i in range(length):
            logits[k, i] -= highest[i]
    exponentials(powers.ctypes.data, len(powers) // LANES)
    for k in range(clusters):
        for i in range(length):
            sums[i] += logits[k, i]
    for i in range(length):
        sums[i] = np.float32(1) / sums[i]
    for k in range(clusters):
        for i in range(length):
            share[k, i] = logits[k, i] * sums[i]


@njit(nogil=True, cache=True)
def _undescribe_videos(
    part: Part,
    start: int,
    stop: int,
    found: Described,
    upstream: Floats,
    centres: Floats,
    limits: Limits,
    matrices: Floats,
    dots: Floats,
    of_scores: Floats,
    of_centres: Floats,
) -> None:
    """From the descriptors' gradients to those of the normalised scores and, summed, of the centres."""
    clusters, features = centres.shape
    of_residuals, units = matrices[0], matrices[1]
    of_sizes, largest = np.zeros(clusters, np.float32), np.float32(1) / np.sqrt(limits.square)
    for video in range(start, stop):
        inverses = found.inverses[video]
        turn(upstream[video].reshape(features, clusters), of_residuals)
        turn(found.descriptor[video].reshape(features, clusters), units)
        # The gradient of a vector of norm 1 has no part along it, unless the norm was too small to divide by.
        along = np.float32(0)
        for k in range(clusters):
            along += inner(of_residuals[k], units[k])
        if inverses[clusters] >= largest:
            along = np.float32(0)
        for k in range(clusters):
            row, unit, size = of_residuals[k], units[k], found.sizes[video, k]
            for feature in range(features):
                row[feature] = (row[feature] - unit[feature] * along) * inverses[clusters]
                unit[feature] /= inverses[clusters]
            part_along = inner(row, unit) if inverses[k] < largest else np.float32(0)
            for feature in range(features):
                row[feature] = (row[feature] - unit[feature] * part_along) * inverses[k]
                of_centres[k, feature] -= size * row[feature]
            of_sizes[k] = -inner(row, centres[k])
        score(part, video, of_residuals, of_sizes, dots, of_scores[video])
        _through_softmax(found.share[video], of_scores[video])


@njit(nogil=True, cache=True)
def _through_softmax(share: Floats, gradient: Floats) -> None:
    """From the gradient of shares [K, T] to that of what the softmax was taken of, in place."""
    clusters, length = share.shape
    along = np.zeros(length, np.float32)
    for k in range(clusters):
        for i in range(length):
            along[i] += share[k, i] * gradient[k, i]
    for k in range(clusters):
        for i in range(length):
            gradient[k, i] = share[k, i] * (gradient[k, i] - along[i])


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def _sum_for_batch_norm(
    gradient: Floats, scores: Floats, start: int, stop: int, mean: Floats, deviation: Floats, sums: Doubles
) -> None:
    """Sums of the gradient, and of it times the normalised scores, of each video and cluster."""
    for video in range(start, stop):
        for k in range(scores.shape[1]):
            found, with_scores = 0.0, 0.0
            for i in range(scores.shape[2]):
                found += np.float64(gradient[video, k, i])
                with_scores += np.float64(gradient[video, k, i] * (scores[video, k, i] - mean[k]))
            sums[video, 0, k], sums[video, 1, k] = found, with_scores / deviation[k]


@njit(nogil=True, cache=True)
def _unscore_videos(
    part: Part,
    start: int,
    stop: int,
    of_normalised: Floats,
    scores: Floats,
    factors: Floats,
    weights: Floats,
    scaled: Floats,
    of_assignment: Floats,
) -> None:
    """Through batch norm, and summed over frames: [padded, features]."""
    for video in range(start, stop):
        for k in range(len(weights)):
            for i in range(weights.shape[1]):
                weights[k, i] = (
                    factors[0, k] * of_normalised[video, k, i] + factors[1, k] * scores[video, k, i] + factors[2, k]
                )
        add_assigned(part, video, weights, scaled, of_assignment)
