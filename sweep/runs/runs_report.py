"""Several runs and pools as the plain records that one report on all of them is drawn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gapsack.dashboards.records import RunsRecords, SweepRecords
from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import UserMetric
from gapsack.selection.pool.files import LABELS_FILE, read_labels
from gapsack.sweep.runs.compare import differing_settings, setting_text
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.pool_report import pool_records
from gapsack.sweep.runs.report import sweep_records
from gapsack.sweep.runs.status import run_state
from gapsack.sweep.storage.addresses import address_of


def runs_records(places: Sequence[RunFolder | Path], metric: str | UserMetric | None = None) -> RunsRecords:
    """All that a report on several runs shows.

    Args:
        places: runs, and folders of pools that no run has.
        metric: of the models' scores, in place of GAP@20.

    Raises:
        InputError: as `sweep_records` and `pool_records`, or one place is given twice.
    """
    paths = [place.path if isinstance(place, RunFolder) else place for place in places]
    twice = [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise InputError(f"expected different runs to compare, got {twice[0]} twice")
    runs = _told_apart([_records(place, metric) for place in places], paths)
    notices = [f"{run.name}: {notice}" for run in runs for notice in run.notices]
    return RunsRecords(runs, _settings(places), (*_other_items(places, runs), *notices))


def _records(place: RunFolder | Path, metric: str | UserMetric | None) -> SweepRecords:
    return sweep_records(place, metric) if isinstance(place, RunFolder) else pool_records(place, metric)


def _told_apart(runs: Sequence[SweepRecords], paths: Sequence[Path]) -> tuple[SweepRecords, ...]:
    """The records, those of one name by the paths of their folders."""
    names = Counter(run.name for run in runs)
    return tuple(
        run if names[run.name] == 1 else replace(run, name=address_of(path))
        for run, path in zip(runs, paths, strict=True)
    )


def _settings(places: Sequence[RunFolder | Path]) -> dict[str, tuple[str, ...]]:
    """Settings in which the grids differ; none where a pool, which has no grid, is among them."""
    runs = [place for place in places if isinstance(place, RunFolder)]
    if len(runs) < len(places):
        return {}
    found = differing_settings([run_state(run) for run in runs])
    return {name: tuple(map(setting_text, values)) for name, values in found.items()}


def _other_items(places: Sequence[RunFolder | Path], runs: Sequence[SweepRecords]) -> list[str]:
    """A sentence for each that was scored on other items than the first: their scores are no comparison."""
    sentences: list[str] = []
    first: tuple[str, np.ndarray] | None = None
    for place, run in zip(places, runs, strict=True):
        pool = place.pool if isinstance(place, RunFolder) else place
        if not (pool / LABELS_FILE).exists():
            continue
        try:
            ids = np.sort(read_labels(pool).video_ids)
        except InputError:  # damaged, which the run's own records tell
            continue
        if first is None:
            first = run.name, ids
        elif not np.array_equal(first[1], ids):
            shared = len(np.intersect1d(first[1], ids))
            sentences.append(
                f"{run.name} was scored on other items than {first[0]} ({len(ids):,} and {len(first[1]):,}, of which "
                f"{shared:,} are the same): their scores are no comparison."
            )
    return sentences
