"""The table of `sweep plan`."""

from __future__ import annotations

from collections.abc import Sequence

from gapsack.selection.decimals import mib_numbers
from gapsack.sweep.cli.app import Column, output, print_reasons, print_table
from gapsack.sweep.grid.plan import PlannedTrial
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.searching import Distribution, Sampler
from gapsack.sweep.grid.small_space import small_space


def print_plan(grid: Grid, trials: Sequence[PlannedTrial]) -> None:
    """A plan's trials with their sizes in MiB, then a line that sums up."""
    sampler = grid.search.sampler
    precisions = list(trials[0].size_bytes)
    columns = [Column("trial"), Column("parameters", True), *[Column(name, True) for name in precisions]]
    sizes = [mib_numbers([trial.size_bytes[name] for trial in trials]) for name in precisions]
    rows = [
        [trial.name, f"{trial.parameters:,}", *[column[row] for column in sizes], trial.status]
        for row, trial in enumerate(trials)
    ]
    print_table([*columns, Column("status")], rows)
    print_reasons({trial.name: trial.reason for trial in trials})
    out = output()
    hours = grid.resources.hours
    limit = "" if hours is None else f" Each trains for {hours:g} hours at most (resources.hours)."
    if sampler is not None:
        out.print(
            f"\n{sampler.kind} draws {sampler.trials} trials, from {describe_space(sampler)}. Sizes in MiB.{limit}"
        )
        if (small := small_space(grid)) is not None:
            out.print(small)
        return
    skipped = sum(trial.status == "skipped" for trial in trials)
    out.print(f"\n{len(trials) - skipped} trials to train, {skipped} skipped. Sizes in MiB.{limit}")


def describe_space(sampler: Sampler) -> str:
    """A sampler's space in words: `clusters in 8, 16; hidden from 32 to 512 by 32`."""
    return "; ".join(f"{key} {_describe_axis(space)}" for key, space in sampler.space.items())


def _describe_axis(space: Distribution) -> str:
    where = " and ".join(f"{key} is {_listed(values, ' or ')}" for key, values in space.when.items())
    condition = f" where {where}" if where else ""
    if space.choices is not None:
        return f"in {_listed(space.choices)}{condition}"
    by = f" by {space.step}" if space.step is not None else ""
    return f"from {space.low} to {space.high}{by}{' (log)' if space.log else ''}{condition}"


def _listed(values: Sequence[object], between: str = ", ") -> str:
    return between.join("null" if value is None else str(value) for value in values)
