"""The commands of `sweep` that look after runs: `compare` and `delete`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gapsack.selection.errors import DamagedFileError, InputError
from gapsack.selection.units import mib
from gapsack.sweep.cli.app import JsonOption, errors, output, print_json
from gapsack.sweep.cli.arguments import RUNS, RunsArgument, StorageOption
from gapsack.sweep.cli.as_csv import CsvOption, print_csv

if TYPE_CHECKING:
    from gapsack.sweep.runs.folder import RunFolder


def compare(
    runs: RunsArgument, *, storage: StorageOption = RUNS, json: JsonOption = False, csv: CsvOption = False
) -> None:
    """Show runs beside each other: trials, best model, ensemble, and the settings in which they differ."""
    from gapsack.sweep.cli.show.comparison import print_comparison
    from gapsack.sweep.runs.compare import differing_settings, run_figures
    from gapsack.sweep.runs.folder import find_run
    from gapsack.sweep.runs.status import run_state

    if len(runs) < 2:
        raise InputError("expected two runs or more to compare, got one")
    states = [run_state(find_run(run, storage)) for run in runs]
    figures, settings = [run_figures(state) for state in states], differing_settings(states)
    if json:
        print_json({"runs": figures, "differing_settings": settings})
    elif csv:
        print_csv(figures)
    else:
        print_comparison(figures, settings)


def delete(
    runs: RunsArgument,
    *,
    storage: StorageOption = RUNS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete runs with all that is in their folders. What MLflow has of them stays there."""
    from gapsack.sweep.runs.delete import deletable, finish_deletions
    from gapsack.sweep.runs.delete import delete as delete_run
    from gapsack.sweep.runs.folder import find_run

    found = {run.path.resolve(): run for run in (find_run(each, storage) for each in runs)}
    wanted = [deletable(run) for run in found.values()]
    records = [_records(run) for run in found.values()]
    for each in wanted:
        errors().print(f"{each.run.address}: {each.trials} trials, {mib(each.size_bytes):.1f} MiB")
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("expected --yes where nobody can be asked; nothing is deleted")
        typer.confirm("Delete for good?", abort=True, err=True)
    for each in wanted:
        delete_run(each.run)
    for folder in {each.run.path.parent for each in wanted}:
        finish_deletions(folder)
    if json:
        print_json({"deleted": [each.run.address for each in wanted]})
        return
    for each, uri in zip(wanted, records, strict=True):
        kept = "" if uri is None else f"; its records stay in {uri}"
        output().print(f"Deleted {each.run.address}{kept}")


def _records(run: RunFolder) -> str | None:
    """The store that keeps a run's records; None where there is none, or nobody knows which."""
    from gapsack.sweep.tracking.place import TrackingRecord

    try:
        record = TrackingRecord.read(run)
    except DamagedFileError:
        return None
    return None if record is None else record.uri
