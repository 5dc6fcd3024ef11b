"""Which files are read: patterns, and the hold-out rule."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import ConfigError, DataError


def expand(patterns: Sequence[str]) -> list[str]:
    """Files that the patterns match, sorted, each once. `DataError` names every pattern that matches nothing."""
    found: set[str] = set()
    empty = []
    for pattern in patterns:
        matches = storage.match(pattern)
        if not matches:
            empty.append(pattern)
        found.update(os.path.normpath(path) if storage.is_local(path) else path for path in matches)
    if empty:
        raise DataError(f"Every data pattern must match a file, but nothing matches {', '.join(empty)}.")
    return sorted(found)


@dataclass(frozen=True)
class Split:
    """Files that train, and files that every trial is measured on."""

    train: tuple[str, ...]
    holdout: tuple[str, ...]


def split_holdout(
    train: Sequence[str],
    validate: Sequence[str],
    *,
    count: int | None = None,
    files: Sequence[str] | None = None,
    seed: int = 0,
) -> Split:
    """Hold some of the validation files out; the others join training (the paper's rule: 60 of 3,844).

    `count`: this many, drawn once by `seed` from the sorted names. `files`: exactly these. Exactly one of the two.
    Raises `ConfigError` for a rule that cannot be followed, `DataError` when nothing is left to train on or when a
    training file is also held out.
    """
    if (count is None) == (files is None):
        raise ConfigError(f"data.holdout takes either count or files, got count={count} and files={files}.")
    pool = sorted(set(validate))
    chosen = set(files) if files is not None else _draw(pool, count or 0, seed)
    if strangers := sorted(chosen - set(pool)):
        raise ConfigError(f"data.holdout.files must be among the validation files, got {', '.join(strangers)}.")
    if not chosen:
        raise ConfigError("data.holdout must hold at least one file out, got none.")
    if leaked := sorted(chosen & set(train)):
        raise DataError(f"A file that is held out must not train, but data.train has {', '.join(leaked)}.")
    remaining = sorted(set(train) | (set(pool) - chosen))
    if not remaining:
        raise DataError(f"At least one file must be left to train on, but all {len(chosen)} are held out.")
    return Split(tuple(remaining), tuple(sorted(chosen)))


def _draw(pool: Sequence[str], count: int, seed: int) -> set[str]:
    if not 1 <= count <= len(pool):
        raise ConfigError(f"data.holdout.count is between 1 and the {len(pool)} validation files, got {count}.")
    picks = np.random.default_rng(seed).choice(len(pool), size=count, replace=False)
    return {pool[pick] for pick in picks}
