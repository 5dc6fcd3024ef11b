"""NetVLAD on a batch of frames, forwards and backwards, each in two passes over the videos.

What a video needs between its bytes and its descriptor stays in the caches of one core. Batch norm takes the sums over
all frames of the batch, which is why there are two passes.

Numbers that a loop needs are taken out of their arrays before it: as far as LLVM knows, the loop might change them, and
it makes no vectors of such a loop. Nor of one that writes to several arrays.
"""

# ruff: noqa: PLR0917  (compiled functions take their arrays one by one, and no keywords)

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapsack.models.training.backends.cpu import workers
from gapsack.models.training.backends.cpu.frames import Part, add_assigned, inner, padded_clusters, score, total
from gapsack.models.training.backends.cpu.lanes import padded
from gapsack.models.training.backends.cpu.tiles import exponentials
from gapsack.models.training.backends.cpu.transpose import turn
from gapsack.models.training.backends.cpu.vectors import LANES
from gapsack.selection.compiled import jit

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
    # Rows of a page or more of them would share their places in the cache.
    row_size = padded(features, LANES) + LANES
    turned = np.empty((clusters, row_size), np.float32)
    turn(centres, turned)
    deviation = np.sqrt(statistics.variance + limits.epsilon)
    of_scores, sums = np.empty_like(found.scores), np.empty((videos, 2, clusters))
    groups = workers.stretches(videos, -(-videos // _GROUPS))
    of_centres = np.zeros((len(groups), clusters, row_size), np.float32)
    of_assignment = np.zeros((len(groups), rows, features), np.float32)

    def backwards(index: int, scratch: Floats) -> None:
        matrices, dots = scratch[: 2 * rows * row_size].reshape(2, rows, row_size), scratch[2 * rows * row_size :]
        _undescribe_videos(
            part, *groups[index], found, upstream, turned, limits, matrices, dots.reshape(length, rows),
            of_scores, of_centres[index],
        )  # fmt: skip
        _sum_for_batch_norm(of_scores, found.scores, *groups[index], statistics.mean, deviation, sums)

    workers.run(backwards, range(len(groups)), rows * (2 * row_size + length))
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
        turn(by_group.sum(axis=0)[:clusters, :features], out)
        results.append(out)
    return results[0], of_gamma.astype(np.float32), of_beta.astype(np.float32), results[1]


@jit()
def _score_videos(
    part: Part, start: int, stop: int, turned: Floats, dots: Floats, scores: Floats, sums: Doubles
) -> None:
    none = np.zeros(scores.shape[1], np.float32)
    for video in range(start, stop):
        score(part, video, turned, none, dots, scores[video])
        for k in range(scores.shape[1]):
            sums[video, 0, k], sums[video, 1, k] = _sum_and_squares(scores[video, k])


@jit(fastmath={"reassoc"})
def _sum_and_squares(row: Floats) -> tuple[float, float]:
    found, squares = 0.0, 0.0
    for i in range(len(row)):
        value = np.float64(row[i])
        found += value
        squares += value * value
    return found, squares


@jit()
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
            size = total(share[k])
            row, centre = residuals[k], centres[k]
            for feature in range(features):
                row[feature] -= size * centre[feature]
            inverse = np.float32(1) / np.sqrt(max(inner(row, row), limits.square))
            for feature in range(features):
                row[feature] *= inverse
            square += inner(row, row)
            sizes[k], inverses[k] = size, inverse
        inverse = np.float32(1) / np.sqrt(max(square, limits.square))
        for k in range(clusters):
            row = residuals[k]
            for feature in range(features):
                row[feature] *= inverse
        inverses[clusters] = inverse
        turn(residuals[:clusters], found.descriptor[video].reshape(features, clusters))


@jit()
def _softmax(scores: Floats, scale: Floats, offset: Floats, powers: Floats, share: Floats) -> None:
    """Over the clusters of scores * scale + offset, [K, T]; `powers` has room for as many, in whole vectors."""
    clusters, length = scores.shape
    logits = powers[: clusters * length].reshape(clusters, length)
    powers[clusters * length :] = 0
    highest, sums = np.empty(length, np.float32), np.zeros(length, np.float32)
    highest[:] = -np.inf
    for k in range(clusters):
        row, score, factor, added = logits[k], scores[k], scale[k], offset[k]
        for i in range(length):
            row[i] = score[i] * factor + added
        for i in range(length):
            highest[i] = max(highest[i], row[i])
    for k in range(clusters):
        row = logits[k]
        for i in range(length):
            row[i] -= highest[i]
    exponentials(powers.ctypes.data, len(powers) // LANES)
    for k in range(clusters):
        row = logits[k]
        for i in range(length):
            sums[i] += row[i]
    for i in range(length):
        sums[i] = np.float32(1) / sums[i]
    for k in range(clusters):
        row, out = logits[k], share[k]
        for i in range(length):
            out[i] = row[i] * sums[i]


@jit()
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
    features, clusters = part.features, len(centres)
    of_residuals, units = matrices[0], matrices[1]  # zeros after the features
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
        whole = inverses[clusters]
        norm = np.float32(1) / whole
        for k in range(clusters):
            row, unit, of_centre = of_residuals[k], units[k], of_centres[k]
            size, inverse = found.sizes[video, k], inverses[k]
            for feature in range(len(row)):
                row[feature] = (row[feature] - unit[feature] * along) * whole
            for feature in range(len(row)):
                unit[feature] *= norm
            part_along = inner(row, unit) if inverse < largest else np.float32(0)
            for feature in range(len(row)):
                row[feature] = (row[feature] - unit[feature] * part_along) * inverse
            for feature in range(len(row)):
                of_centre[feature] -= size * row[feature]
            of_sizes[k] = -inner(row, centres[k])
        score(part, video, of_residuals, of_sizes, dots, of_scores[video])
        _through_softmax(found.share[video], of_scores[video])


@jit()
def _through_softmax(share: Floats, gradient: Floats) -> None:
    """From the gradient of shares [K, T] to that of what the softmax was taken of, in place."""
    clusters, length = share.shape
    along = np.zeros(length, np.float32)
    for k in range(clusters):
        part, row = share[k], gradient[k]
        for i in range(length):
            along[i] += part[i] * row[i]
    for k in range(clusters):
        part, row = share[k], gradient[k]
        for i in range(length):
            row[i] = part[i] * (row[i] - along[i])


@jit(fastmath={"reassoc"})
def _sum_for_batch_norm(
    gradient: Floats, scores: Floats, start: int, stop: int, mean: Floats, deviation: Floats, sums: Doubles
) -> None:
    """Sums of the gradient, and of it times the normalised scores, of each video and cluster."""
    for video in range(start, stop):
        for k in range(scores.shape[1]):
            found, with_scores = 0.0, 0.0
            row, score, middle = gradient[video, k], scores[video, k], mean[k]
            for i in range(len(row)):
                found += np.float64(row[i])
                with_scores += np.float64(row[i] * (score[i] - middle))
            sums[video, 0, k], sums[video, 1, k] = found, with_scores / deviation[k]


@jit()
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
            row, of_row, score = weights[k], of_normalised[video, k], scores[video, k]
            scale, of_score, added = factors[0, k], factors[1, k], factors[2, k]
            for i in range(len(row)):
                row[i] = scale * of_row[i] + of_score * score[i] + added
        add_assigned(part, video, weights, scaled, of_assignment)
