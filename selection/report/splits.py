"""Which items choose, and which report: splits and folds of a seed, whole groups of related items on one side.

Items come in a random order of the seed, so that whoever looks at the first of them only looks at any of them. Groups
are numbered as they first appear: where each item is a group of its own, every split is that without groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import InputError
from gapsack.selection.pool.lists import named_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels

    Videos = NDArray[np.int64]

FEW_VIDEOS = 5_000  # below, five folds; a search costs more with more items, and two halves of many say enough
FOLDS_OF_FEW = 5
FOLDS_OF_MANY = 2


def group_numbers(labels: Labels, groups: Mapping[str, str] | None) -> Videos | None:
    """[n] the number of each item's group, in order of appearance; None without groups.

    Args:
        labels: of the pool.
        groups: group of each id; ids that the pool has not are left aside.

    Raises:
        InputError: an item of the pool is in no group.
    """
    if groups is None:
        return None
    ids = labels.video_ids.tolist()
    missing = [each for each in ids if each not in groups]
    if missing:
        raise InputError(f"groups must have every item of the pool; got none for {named_ids(missing)}.")
    return by_appearance(np.array([str(groups[each]) for each in ids]))


def by_appearance(groups: NDArray[np.generic]) -> Videos:
    """Group labels as numbers from 0 in the order in which they first appear."""
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[numbers], np.int64)


def split_videos(
    count: int, tune_share: float, seed: int, fold: int = 0, groups: Videos | None = None
) -> tuple[Videos, Videos]:
    """Rows to tune on and rows to report on, both in random order. Fold 0 is the split of the seed itself.

    Of groups as many are taken as come closest to the share, and at least one is on either side where there are two.
    """
    rng = np.random.default_rng([seed, 0, fold])
    if groups is None:
        order, sizes = rng.permutation(count), np.ones(count, np.int64)
    else:
        drawn = rng.permutation(int(groups.max()) + 1)
        order, sizes = rows_of_groups(groups, drawn), np.bincount(groups)[drawn]
    if tune_share == 1.0 or len(sizes) == 1:
        return order, order[count:]
    wanted = min(max(round(count * tune_share), 1), count - 1)
    ends = np.cumsum(sizes)
    taken = min(int(np.argmin(np.abs(ends - wanted))), len(sizes) - 2)
    return order[: ends[taken]], order[ends[taken] :]


def cross_folds(labels: Labels, folds: int, seed: int, groups: Videos | None = None) -> list[tuple[Videos, Videos]]:
    """(rows to choose on, rows to report on) of each fold; every item reports once, and none on what chose it.

    Groups, the largest first, go to the folds in turn, so that folds are of one size. Of groups of one size those with
    the same first label follow one another: each fold gets its share of every label. There are no more folds than
    groups, and none of a single one.
    """
    numbers = np.arange(labels.video_count) if groups is None else groups
    sizes = np.bincount(numbers)
    folds = min(folds, len(sizes))
    if folds < 2:
        return []
    rng = np.random.default_rng([seed, 3])
    drawn = rng.permutation(len(sizes))
    first = np.unique(numbers, return_index=True)[1]
    label = _first_labels(labels)[first]
    fold_of_group = np.empty(len(sizes), np.int64)
    held = np.zeros(folds, np.int64)
    for group in drawn[np.lexsort((label[drawn], -sizes[drawn]))]:
        fold = int(np.argmin(held))
        fold_of_group[group] = fold
        held[fold] += sizes[group]
    order = rng.permutation(labels.video_count)
    fold_of = fold_of_group[numbers][order]
    return [(order[fold_of != fold], order[fold_of == fold]) for fold in range(folds)]


def folds_for(videos: int) -> int:
    """How many folds are made where nobody says: five of less than ``FEW_VIDEOS``, else two."""
    return FOLDS_OF_FEW if videos < FEW_VIDEOS else FOLDS_OF_MANY


def _first_labels(labels: Labels) -> NDArray[np.int64]:
    """[n] the lowest label of each item, -1 without one."""
    found = np.full(labels.video_count, -1, np.int64)
    some = labels.counts > 0
    found[some] = labels.indices[labels.indptr[:-1][some]]
    return found


def rows_of_groups(groups: Videos, drawn: Videos) -> Videos:
    """Rows of some groups, group after group in the order given; a group may come several times."""
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(int(groups.max()) + 2))
    counts = np.diff(starts)[drawn]
    ends = np.cumsum(counts)
    return np.asarray(
        order[np.repeat(starts[drawn] - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)]
    )
