"""The command line `sweep`. Commands import what they need when they run, so that --help answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gapsack.selection.units import mib
from gapsack.sweep.cli.app import (
    JsonOption,
    make_app,
    messages,
    output,
    print_json,
    progress_bar,
    signal_exit_code,
    working,
)
from gapsack.sweep.cli.arguments import RUNS, RunArgument, StorageOption
from gapsack.sweep.cli.as_csv import CsvOption, print_csv
from gapsack.sweep.cli.choose import app as select_app
from gapsack.sweep.cli.manage import compare, delete
from gapsack.sweep.cli.next import next_trial
from gapsack.sweep.cli.problems import FAILED, INTERRUPTED
from gapsack.sweep.cli.reports import report
from gapsack.sweep.cli.teach import teach
from gapsack.sweep.cli.verbosity import is_verbose
from gapsack.sweep.cluster.address import VARIABLE as RAY_ADDRESS
from gapsack.sweep.storage.mirrored import to_write

if TYPE_CHECKING:
    from gapsack.sweep.grid.schema import Grid

app = make_app("sweep", "Train a grid of models, then pick the best ensemble that fits a size budget (`sweep select`).")
app.add_typer(select_app, name="select")

GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="The grid file (YAML).", show_default=False)]
DataOption = Annotated[
    str | None, typer.Option(metavar="DIR", help="Folder of the data files; else $GAPSACK_DATA, else the grid's own.")
]

# As in sweep.data.features and dashboards.images, which import numpy and plotly.
Level = Literal["frame", "video"]
ImageFormat = Literal["png", "svg"]


@app.command(epilog="Example: `sweep plan examples/paper_grid.yaml`")
def plan(grid: GridFile, *, data: DataOption = None, json: JsonOption = False, csv: CsvOption = False) -> None:
    """Show what a grid would train: each trial's exact size by precision, what is skipped and why. Trains nothing.

    Where data files are there, the first of each kind are looked at.
    """
    from gapsack.sweep.grid.read import load_grid

    _show_plan(load_grid(grid, data_folder=data, keep_variables=True), grid, data, json=json, csv=csv)


def _show_plan(
    loaded: Grid, grid: Path, data: str | None, *, json: bool, csv: bool, hours: float | None = None
) -> None:
    from gapsack.sweep.cli.show.plan import print_plan
    from gapsack.sweep.cluster.outlook import outlook
    from gapsack.sweep.grid.plan import plan as plan_trials

    trials = plan_trials(loaded)
    if json:
        print_json([trial.to_dict() for trial in trials])
    elif csv:
        print_csv([trial.to_dict() for trial in trials])
    else:
        print_plan(loaded, trials)
    if hours is not None:
        messages().print(f"The sweep stops after {hours:g} hours; the same command goes on.")
    for sentence in outlook(loaded, grid, data):
        messages().print(sentence)


@app.command(
    epilog="Example: `sweep run examples/yt8m_video.yaml --data ~/yt8m/video` or, in a job of eight hours, "
    "`sweep run grid.yaml --hours 7.8`"
)
def run(
    grid: GridFile,
    *,
    data: DataOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the run, in place of the grid's own.")] = None,
    storage: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder, or URL, for the run folder, in place of the grid's own.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            envvar=RAY_ADDRESS, help="A Ray cluster: auto, or its head's HOST:PORT; Ray on this machine otherwise."
        ),
    ] = None,
    concurrent: Annotated[
        int | None, typer.Option(min=1, help="Trials at once, in place of the grid's own number.")
    ] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow tracking URI, in place of the grid's own.")] = None,
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            "--continue", metavar="TRIAL", help="Train a trial that was stopped early to its end; repeatable."
        ),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            metavar="H", help="Stop after so many hours, as by Ctrl-C; a time limit of each trial is resources.hours."
        ),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="On a cluster: fail where no node is large enough for a trial yet.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train nothing: as sweep plan.")] = False,
    notify: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Run this in the shell at the end, however the sweep ended."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a grid's trials, or go on where an earlier run stopped: what is done is never trained again.

    Ctrl-C (SIGTERM, SIGHUP) and the end of --hours stop in order, with a checkpoint of every running trial; the same
    command resumes.
    """
    from gapsack.sweep.cluster.time_limit import checked_hours
    from gapsack.sweep.grid.read import load_grid
    from gapsack.sweep.grid.yaml12 import Location

    overrides: dict[Location, object] = {
        ("name",): name,
        ("storage",): storage,
        ("resources", "concurrent"): concurrent,
        ("resources", "wait"): False if no_wait else None,
        ("tracking", "uri"): tracking_uri,
    }
    # Read and checked before anything heavy is imported: a mistake in the file is told at once.
    checked_hours(hours)
    loaded = load_grid(grid, data_folder=data, overrides=overrides, keep_variables=dry_run)
    if dry_run:
        _show_plan(loaded, grid, data, json=json, csv=False, hours=hours)
        return

    with working("Starting"):
        from gapsack.sweep.cli import notify as notifying
        from gapsack.sweep.cli.show.live import SweepView
        from gapsack.sweep.cli.show.summary import print_summary, summary_values
        from gapsack.sweep.cluster.away import run_of
        from gapsack.sweep.cluster.launch import launch
        from gapsack.sweep.cluster.signals import ended_by_signals

    if address is not None:
        messages().print(f"Joining the Ray cluster at {address}")
    if is_verbose():
        messages().print(f"Ray and its workers log to {run_of(loaded, Path())[0].ray_log}")
    with ended_by_signals(), notifying.of_an_error(notify, loaded.name):
        with SweepView(messages(), precision=loaded.budget.precision, items=loaded.data.task.items) as view:
            launched = launch(
                loaded,
                grid.read_text(encoding="utf-8"),
                Path.cwd(),
                address=address,
                events=view,
                train_on=train_on or (),
                hours=hours,
            )
        if json:
            print_json(summary_values(launched))
        else:
            print_summary(launched)
    if notify is not None:
        notifying.notify(notify, notifying.facts_of(launched))
    if launched.result.interrupted:
        raise typer.Exit(INTERRUPTED if launched.signal is None else signal_exit_code(launched.signal))
    if launched.result.failed:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: `sweep status runs/paper_grid`")
def status(
    run: RunArgument = None, *, storage: StorageOption = RUNS, json: JsonOption = False, csv: CsvOption = False
) -> None:
    """Show a run's trials: how far each has come, its loss, GAP and size, and why it failed."""
    from gapsack.sweep.cli.show.status import print_status, status_values
    from gapsack.sweep.runs.folder import find_run
    from gapsack.sweep.runs.status import run_state

    state = run_state(find_run(run, storage))
    if json:
        print_json(status_values(state))
    elif csv:
        print_csv(status_values(state)["trials"])
    else:
        print_status(state)


@app.command("list", epilog="Example: `sweep list --storage runs`")
def list_runs(*, storage: StorageOption = RUNS, json: JsonOption = False, csv: CsvOption = False) -> None:
    """Show all runs, newest first."""
    from gapsack.sweep.cli.show.status import print_runs, run_values
    from gapsack.sweep.runs.folder import runs_in
    from gapsack.sweep.runs.status import readable_states

    states, unreadable = readable_states(runs_in(storage))
    for problem in unreadable:
        messages().print(problem)
    if json:
        print_json([run_values(state) for state in states])
    elif csv:
        print_csv([run_values(state) for state in states])
    elif states:
        print_runs(states)
    else:
        messages().print(f"No runs in {storage}; sweep run makes one.")


app.command(epilog="Example: `sweep report runs/paper_grid` or `sweep report first_try second_try`")(report)
app.command(epilog="Example: `sweep compare first_try second_try`")(compare)
app.command(epilog="Example: `sweep delete first_try --yes`")(delete)
app.command(
    "next",
    epilog="Example: `sweep next runs/paper_grid --budget-mb 1024` or `sweep next --what-if size=100MiB,gap=0.87`",
)(next_trial)
app.command(
    epilog="Example: `sweep teach runs/paper_grid 'yt8m/train*.tfrecord' --out teacher`",
)(teach)


@app.command(epilog="Example: `sweep synth data --classes 40 --train-files 8`")
def synth(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the files, or its URL; made if missing.", parser=to_write)
    ],
    *,
    level: Annotated[Level, typer.Option(help="Frames of each video, or their mean only.")] = "frame",
    train_files: Annotated[int, typer.Option(min=0, help="Files train0000.tfrecord and so on.")] = 8,
    validate_files: Annotated[int, typer.Option(min=0, help="Files validate0000.tfrecord and so on.")] = 4,
    videos: Annotated[int, typer.Option(min=1, help="Videos in each file.")] = 100,
    classes: Annotated[int, typer.Option(min=2, help="Size of the vocabulary.")] = 40,
    min_frames: Annotated[int, typer.Option(min=1, help="Frames of the shortest video.")] = 20,
    max_frames: Annotated[int, typer.Option(min=1, help="Frames of the longest video.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
    json: JsonOption = False,
) -> None:
    """Write a small data set in the YouTube-8M format, in which larger models do score better."""
    from gapsack.sweep.data.synth.write import write_synth

    with progress_bar("Writing files", train_files + validate_files) as advance:
        paths = write_synth(
            directory,
            level=level,
            train_files=train_files,
            validate_files=validate_files,
            videos_per_file=videos,
            classes=classes,
            min_frames=min_frames,
            max_frames=max_frames,
            seed=seed,
            progress=lambda _done, _total: advance(1),
        )
    size_bytes = sum(path.stat().st_size for path in paths)
    if json:
        print_json({"files": [str(path.absolute()) for path in paths], "bytes": size_bytes})
    else:
        output().print(f"{len(paths)} files, {mib(size_bytes):.1f} MiB, in {directory}")
