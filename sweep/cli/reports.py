"""The command `sweep report`: on one run or pool, or on several beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gapsack.sweep.cli.app import JsonOption, errors, messages, output, print_json
from gapsack.sweep.cli.arguments import RUNS, StorageOption
from gapsack.sweep.cli.outputs import FileOption, FolderOption
from gapsack.sweep.storage.addresses import address_of

if TYPE_CHECKING:
    from gapsack.dashboards.records import RunsRecords, SweepRecords
    from gapsack.selection.metrics.objectives import UserMetric
    from gapsack.sweep.runs.folder import RunFolder

ImageFormat = Literal["png", "svg"]  # as in dashboards.images, which imports plotly
BY_HAND = Path("report.html")
"""The report where no run has a place for it."""


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="A run folder, a run's name, or a pool that was imported; several are compared; the newest run if "
            "omitted.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[Path | None, FileOption("The HTML file; report.html in the run, or here, if omitted.")] = None,
    images: Annotated[Path | None, FolderOption("Write each figure as an image here too.")] = None,
    image_format: Annotated[ImageFormat, typer.Option(help="Kind of those images.")] = "png",
    metric: Annotated[
        str | None, typer.Option(help="Show the models' scores by another metric than GAP@20 (docs/select.md).")
    ] = None,
    storage: StorageOption = RUNS,
    track: Annotated[bool, typer.Option(help="Keep the report with the run in MLflow.")] = True,
    json: JsonOption = False,
) -> None:
    """Write the report of a run or a pool folder, or of several beside each other: one HTML file that opens offline."""
    from gapsack.dashboards.images import write_images, write_runs_image
    from gapsack.sweep.cli.options import known_metric

    shown = None if metric is None else known_metric(metric)
    drawn: list[Path] = []
    if runs is not None and len(runs) > 1:
        path, several = _of_several(runs, storage, out or BY_HAND, shown)
        if images is not None:
            drawn = write_runs_image(several, images, format=image_format)
    else:
        path, one = _of_one(runs[0] if runs else None, storage, out, shown, track=track)
        if images is not None:
            drawn = write_images(one, images, format=image_format)
    if json:
        print_json({"report": address_of(path), "images": [str(image.absolute()) for image in drawn]})
        return
    output().print(f"Report: {address_of(path)}")
    for image in drawn:
        output().print(f"Image:  {image}")


def _of_one(
    run: Path | None, storage: Path, out: Path | None, metric: str | UserMetric | None, *, track: bool
) -> tuple[Path, SweepRecords]:
    """The report of one run or pool, and what it shows."""
    from gapsack.dashboards.report import write_report
    from gapsack.sweep.cli.show.status import print_notices
    from gapsack.sweep.runs.folder import find_run
    from gapsack.sweep.runs.pool_report import pool_records
    from gapsack.sweep.runs.report import sweep_records
    from gapsack.sweep.runs.sources import imported_pool

    pool = imported_pool(run)
    if pool is None:
        folder = find_run(run, storage)
        records = _searched(sweep_records(folder, metric), folder)
        default = folder.report
    else:
        folder, records, default = None, pool_records(pool, metric), BY_HAND
    print_notices(records.notices)
    path = write_report(out or default, records).absolute()
    if track and folder is not None and path == default:
        _track_results(folder)
    return path, records


def _of_several(
    runs: list[Path], storage: Path, out: Path, metric: str | UserMetric | None
) -> tuple[Path, RunsRecords]:
    """The report of several runs and pools beside each other, and what it shows."""
    from gapsack.dashboards.report import write_runs_report
    from gapsack.sweep.cli.show.status import print_notices
    from gapsack.sweep.runs.folder import find_run
    from gapsack.sweep.runs.runs_report import runs_records
    from gapsack.sweep.runs.sources import imported_pool

    records = runs_records([imported_pool(run) or find_run(run, storage) for run in runs], metric)
    print_notices(records.notices)
    return write_runs_report(out, records).absolute(), records


def _searched(records: SweepRecords, run: RunFolder) -> SweepRecords:
    """A report's records with what the search varied; where Optuna is not installed, a person is told."""
    from gapsack.selection.errors import InputError
    from gapsack.sweep.runs.status import run_state

    try:
        from gapsack.sweep.cluster.search_records import with_search
    except InputError as missing:
        messages().print(f"The report has no figures of the search. {missing}")
        return records
    return with_search(records, run_state(run))


def _track_results(run: RunFolder) -> None:
    """Send the run's results to where it is recorded; a person is told where that fails."""
    from gapsack.selection.errors import GapsackError
    from gapsack.sweep.tracking.results import track_results

    try:
        track_results(run)
    except GapsackError as error:
        errors().print(f"MLflow did not take the report: {error}")
