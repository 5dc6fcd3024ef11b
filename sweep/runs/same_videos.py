"""Candidates of a pool are compared on the same videos: those that its labels were written for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.pool.files import LABELS_FILE, read_labels
from gapsack.selection.pool.lists import named_ids
from gapsack.sweep.errors import DataError


def refuse_other_videos(pool: Path, video_ids: NDArray[np.str_]) -> None:
    """Raise `DataError` where these are not the videos of the pool's labels, if it has any yet."""
    if (pool / LABELS_FILE).exists():
        refuse_difference(read_labels(pool).video_ids, video_ids, f"those of {pool / LABELS_FILE}")


def refuse_difference(before: NDArray[np.str_], now: NDArray[np.str_], which: str) -> None:
    """Raise `DataError` where the videos `now` are others than those `before`, in whatever order."""
    missing, strange = np.setdiff1d(before, now), np.setdiff1d(now, before)
    if missing.size or strange.size:
        parts = [f"without {named_ids(missing, 'video')}"] if missing.size else []
        parts += [f"with {named_ids(strange, 'video')} besides"] if strange.size else []
        raise DataError(
            f"expected the held-out videos to be {which} ({len(before)}), got {len(now)}, {' and '.join(parts)}: the "
            "held-out files have changed"
        )
