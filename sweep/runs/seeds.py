"""What the seed alone makes of a trial: mean and spread of the scores of those that differ in nothing else."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gapsack.sweep.grid.points import trial_point
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.training_axes import SEED
from gapsack.sweep.runs.record import TrialResult


@dataclass(frozen=True)
class SeedSpread:
    """The finished trials of a point of the search whose seeds vary.

    Attributes:
        name: Of the point: what its trials are called, without the seed.
        trials: Their names, by seed.
        seeds: In ascending order.
        gaps: GAP@20 of each.
    """

    name: str
    trials: tuple[str, ...]
    seeds: tuple[int, ...]
    gaps: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the GAP."""
        return statistics.fmean(self.gaps)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation of the GAP (n - 1 below); None of a single trial."""
        return statistics.stdev(self.gaps) if len(self.gaps) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "trials": list(self.trials),
            "seeds": list(self.seeds),
            "gap_mean": self.mean,
            "gap_std": self.deviation,
            "gap_min": min(self.gaps),
            "gap_max": max(self.gaps),
        }


def seed_spreads(grid: Grid, results: Iterable[TrialResult]) -> list[SeedSpread]:
    """The spread of each point that has finished trials with the seed among their axes, by name."""
    found: dict[str, list[TrialResult]] = {}
    for result in results:
        if SEED in result.axes:
            axes = {key: value for key, value in result.axes.items() if key != SEED}
            found.setdefault(trial_point(grid, axes).name, []).append(result)
    spreads = []
    for name, members in sorted(found.items()):
        members.sort(key=lambda result: result.axes[SEED])
        spreads.append(
            SeedSpread(
                name,
                tuple(result.name for result in members),
                tuple(result.axes[SEED] for result in members),
                tuple(result.gap for result in members),
            )
        )
    return spreads
