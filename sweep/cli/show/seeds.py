"""The table of points whose seeds vary: mean and spread of their GAP."""

from __future__ import annotations

from collections.abc import Sequence

from gapsack.selection.decimals import score_texts
from gapsack.sweep.cli.app import Column, output, print_table
from gapsack.sweep.runs.seeds import SeedSpread, seed_spreads
from gapsack.sweep.runs.status import RunState


def spreads_of(state: RunState) -> list[SeedSpread]:
    """The spread of each point of a run over its seeds."""
    return seed_spreads(state.grid, [trial.record for trial in state.done if trial.record is not None])


def print_spreads(spreads: Sequence[SeedSpread]) -> None:
    """A line for each point; nothing where no seed varies."""
    if not spreads:
        return
    output().print("\nOver seeds:")
    columns = [Column("point"), Column("seeds", True), *(Column(title, True) for title in ("GAP", "±", "min", "max"))]
    print_table(columns, [_row(spread) for spread in spreads])


def _row(spread: SeedSpread) -> list[object]:
    return [
        spread.name,
        len(spread.seeds),
        *score_texts([spread.mean, spread.deviation, min(spread.gaps), max(spread.gaps)]),
    ]
