"""Compiled loops that build class-sparse rows. All release the GIL."""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions take their arrays by position
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.compiled import jit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Bools = NDArray[np.bool_]

ROUNDING = 1e-12  # relative, of a weighted mean
SHORT_ROW = 128  # entries up to which counting comparisons beats a selection algorithm


@jit()
def _kth_largest(values: Floats, count: int, k: int) -> float:
    """The k-th largest of the first ``count`` values, or -inf when there are fewer."""
    if count < k:
        return -np.inf
    if count > SHORT_ROW:
        found: float = np.partition(values[:count], count - k)[count - k]
        return found
    for i in range(count):
        value: float = values[i]
        above, at_least = 0, 0
        for j in range(count):
            above += values[j] > value
            at_least += values[j] >= value
        if above < k <= at_least:
            return value
    return -np.inf


@jit()
def _union(
    indices: Ints,
    scores: Floats,
    video: int,
    class_count: int,
    complete: bool,
    place: Ints,
    classes: Ints,
    peaks: Floats,
    floors: Floats,
    listed: Ints,
) -> int:
    """Union of one item's lists: classes, largest and smallest score of each; returns how many.

    ``place`` [class_count] is scratch, -1 everywhere before and after; ``listed`` is scratch too.
    """
    count = 0
    for column in range(indices.shape[0]):
        for j in range(indices.shape[2]):
            klass = indices[column, video, j]
            if klass < 0:
                break
            score = scores[column, video, j]
            at = place[klass]
            if at < 0:
                place[klass] = count
                classes[count], peaks[count], floors[count], listed[count] = klass, score, score, 1
                count += 1
            else:
                peaks[at] = max(peaks[at], score)
                floors[at] = min(floors[at], score)
                listed[at] += 1
    for i in range(count):
        if listed[i] < indices.shape[0]:
            floors[i] = 0.0
    if complete:
        for klass in range(class_count):
            if place[klass] < 0:
                classes[count], peaks[count], floors[count] = klass, 0.0, 0.0
                count += 1
    for i in range(count):
        place[classes[i]] = -1
    return count


@jit()
def _scratch(class_count: int) -> tuple[Ints, Ints, Floats, Floats, Ints]:
    """``place``, ``classes``, ``peaks``, ``floors`` and ``listed`` of ``_union``."""
    return (
        np.full(class_count, -1, np.int32),
        np.empty(class_count, np.int32),
        np.empty(class_count, np.float32),
        np.empty(class_count, np.float32),
        np.empty(class_count, np.int32),
    )


@jit()
def union_counts(indices: Ints, scores: Floats, class_count: int, complete: bool, k: int) -> NDArray[np.int64]:
    """[items] entries of each row.

    Args:
        indices: [columns, items, longest] int32 classes, -1 beyond a list's end.
        scores: the same shape, float32.
        class_count: classes of the vocabulary.
        complete: count every class.
        k: count only entries that may be among a row's best k under some blend; 0 counts all.
    """
    place, classes, peaks, floors, listed = _scratch(class_count)
    counts = np.empty(indices.shape[1], np.int64)
    for video in range(indices.shape[1]):
        count = _union(indices, scores, video, class_count, complete, place, classes, peaks, floors, listed)
        if k > 0 and count > k:
            threshold = _kth_largest(floors, count, k)
            kept = 0
            for i in range(count):
                if peaks[i] >= threshold:
                    kept += 1
            count = kept
        counts[video] = count
    return counts


@jit()
def union_fill(
    indices: Ints,
    scores: Floats,
    class_count: int,
    complete: bool,
    indptr: Ints,
    out_classes: Ints,
    out_peaks: Floats,
    values: Floats,
) -> None:
    """Write rows: the entries of highest peak, as many as the row bounds have room for, by descending peak.

    Args:
        indices: as in ``union_counts``.
        scores: as in ``union_counts``.
        class_count: classes of the vocabulary.
        complete: as in ``union_counts``.
        indptr: [items + 1] row bounds of these items in the outputs.
        out_classes: [entries] int32.
        out_peaks: [entries] float32.
        values: [columns, entries] float32, zeros before.
    """
    place, classes, peaks, floors, listed = _scratch(class_count)
    for video in range(indices.shape[1]):
        count = _union(indices, scores, video, class_count, complete, place, classes, peaks, floors, listed)
        order = np.argsort(-peaks[:count], kind="mergesort")
        base, kept = indptr[video], indptr[video + 1] - indptr[video]
        for i in range(kept):
            klass = classes[order[i]]
            out_classes[base + i] = klass
            out_peaks[base + i] = peaks[order[i]]
            place[klass] = i
        for column in range(indices.shape[0]):
            for j in range(indices.shape[2]):
                klass = indices[column, video, j]
                if klass < 0:
                    break
                if place[klass] >= 0:
                    values[column, base + place[klass]] = scores[column, video, j]
        for i in range(kept):
            place[out_classes[base + i]] = -1


@jit()
def _extremes(
    values: Floats, columns: Ints, tails: Floats, video: int, start: int, count: int, low: Floats, high: Floats
) -> None:
    """Smallest and largest value of each entry of a row over some columns, into ``low`` and ``high``."""
    for i in range(count):
        value = values[columns[0], start + i]
        low[i] = value
        high[i] = value if value > 0.0 else tails[0, video]
    for m in range(1, len(columns)):
        column, tail = columns[m], tails[m, video]
        for i in range(count):
            value = values[column, start + i]
            low[i] = min(low[i], value)
            high[i] = max(high[i], value if value > 0.0 else tail)


@jit()
def _range_near(
    values: Floats, weights: Floats, radius: float, start: int, count: int, low: Floats, high: Floats
) -> None:
    """Bounds of each entry's blend when no weight is further than ``radius`` from ``weights`` and the sum stays one.

    With d the change of the weights, the blend changes by sum(d_m (v_m - c)) for any c, as the d_m sum to zero; c is
    the blend itself.
    """
    for i in range(count):
        blend, scatter = 0.0, 0.0
        for m in range(len(weights)):
            blend += weights[m] * values[m, start + i]
        for m in range(len(weights)):
            scatter += abs(values[m, start + i] - blend)
        slack = radius * scatter + ROUNDING * blend
        low[i], high[i] = blend - slack, blend + slack


@jit()
def _keep(low: Floats, high: Floats, start: int, count: int, k: int, kept: Ints, peaks: Floats, total: int) -> int:
    """Append the entries of a row whose ``high`` reaches the k-th best ``low``, by descending ``high``."""
    threshold = _kth_largest(low, count, k)
    first = total
    for i in range(count):
        if high[i] < threshold:
            continue
        # Rows are in descending order already, by another bound: insertion moves little.
        place = total
        while place > first and peaks[place - 1] < high[i]:
            peaks[place] = peaks[place - 1]
            kept[place] = kept[place - 1]
            place -= 1
        peaks[place] = high[i]
        kept[place] = start + i
        total += 1
    return total


@jit()
def compact_rows(
    values: Floats, columns: Ints, indptr: Ints, k: int, tails: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Entries that some blend of some columns can put among a row's best k.

    Args:
        values: [all columns, entries] probabilities.
        columns: [members] rows of ``values``.
        indptr: [items + 1] row bounds.
        k: entries that count of each row.
        tails: [members, items] what a class that is not listed may have; it joins an entry's largest value, because
            the logit blend assumes it.

    Returns:
        (indptr [items + 1] of the kept entries, which they are [kept], their largest values [kept]); within a row by
        descending largest value.
    """
    videos = len(indptr) - 1
    out_indptr = np.zeros(videos + 1, np.int64)
    kept = np.empty(indptr[videos], np.int64)
    peaks = np.empty(indptr[videos], np.float64)
    longest = np.max(indptr[1:] - indptr[:-1])
    low, high = np.empty(longest, np.float64), np.empty(longest, np.float64)
    total = 0
    for video in range(videos):
        start = indptr[video]
        count = indptr[video + 1] - start
        _extremes(values, columns, tails, video, start, count, low, high)
        total = _keep(low, high, start, count, k, kept, peaks, total)
        out_indptr[video + 1] = total
    return out_indptr, kept[:total].copy(), peaks[:total].copy()


@jit()
def near_rows(
    values: Floats, weights: Floats, radius: float, indptr: Ints, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Entries that a blend of all columns can put among a row's best k while its weights stay near given ones.

    Args:
        values: [members, entries], positive.
        weights: [members] of sum one.
        radius: the most that any weight differs from them, the sum being one.
        indptr: [items + 1] row bounds.
        k: entries that count of each row.

    Returns:
        As ``compact_rows``.
    """
    videos = len(indptr) - 1
    out_indptr = np.zeros(videos + 1, np.int64)
    kept = np.empty(indptr[videos], np.int64)
    peaks = np.empty(indptr[videos], np.float64)
    longest = np.max(indptr[1:] - indptr[:-1])
    low, high = np.empty(longest, np.float64), np.empty(longest, np.float64)
    total = 0
    for video in range(videos):
        start = indptr[video]
        count = indptr[video + 1] - start
        _range_near(values, weights, radius, start, count, low, high)
        total = _keep(low, high, start, count, k, kept, peaks, total)
        out_indptr[video + 1] = total
    return out_indptr, kept[:total].copy(), peaks[:total].copy()


@jit()
def kth_largest_of_rows(values: Floats, indptr: Ints, k: int) -> NDArray[np.float64]:
    """[rows] the k-th largest value of each row, -inf where it has fewer."""
    found = np.empty(len(indptr) - 1, np.float64)
    for row in range(len(found)):
        part = values[indptr[row] : indptr[row + 1]]
        found[row] = _kth_largest(part, len(part), k)
    return found
