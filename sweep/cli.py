"""The command line `sweep`. Commands import what they need when they run, so that --help answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.console import FAILED, INTERRUPTED, JsonOption, make_app, messages, output, print_json
from sweep.select_cli import app as select_app

app = make_app("sweep", "Train a grid of models, then pick the best ensemble that fits a size budget (`sweep select`).")
app.add_typer(select_app, name="select")

GridFile = Annotated[Path, typer.Argument(metavar="GRID", help="The grid file (YAML).", show_default=False)]
StorageOption = Annotated[Path, typer.Option(help="The folder that holds the runs.")]
RunArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="A run folder, or a run's name; the newest run if omitted.", show_default=False
    ),
]
RUNS = Path("runs")


@app.command(epilog="Example: `sweep plan examples/paper_grid.yaml`")
def plan(grid: GridFile, json: JsonOption = False) -> None:
    """Show what a grid would train: each trial's exact size by precision, what is skipped and why. Trains nothing."""
    from sweep.gridfile import load_grid
    from sweep.plan import plan as plan_trials
    from sweep.views import print_plan

    loaded = load_grid(grid, keep_variables=True)
    trials = plan_trials(loaded)
    if json:
        print_json([trial.to_dict() for trial in trials])
    else:
        print_plan(loaded, trials)


@app.command(epilog="Example: `sweep run examples/yt8m_video.yaml --data ~/yt8m/video`")
def run(
    grid: GridFile,
    *,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder of the data files; else $GAPSACK_DATA, else the grid's own."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run, in place of the grid's own.")] = None,
    storage: Annotated[Path | None, typer.Option(help="Folder for the run folder, in place of the grid's own.")] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster (for example auto); Ray on this machine otherwise.")
    ] = None,
    concurrent: Annotated[
        int | None, typer.Option(min=1, help="Trials at once, in place of the grid's own number.")
    ] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow tracking URI, in place of the grid's own.")] = None,
    json: JsonOption = False,
) -> None:
    """Train a grid's trials, or go on where an earlier run stopped: what is done is never trained again.

    Ctrl-C stops in order, with a checkpoint of every running trial; the same command resumes.
    """
    from sweep.gridfile import load_grid
    from sweep.yaml12 import Location

    overrides: dict[Location, object] = {
        ("name",): name,
        ("storage",): None if storage is None else str(storage),
        ("resources", "concurrent"): concurrent,
        ("tracking", "uri"): tracking_uri,
    }
    # Read and checked before anything heavy is imported: a mistake in the file is told at once.
    loaded = load_grid(grid, data_folder=data, overrides=overrides)

    from sweep.launch import launch
    from sweep.summary import print_summary, summary_values

    launched = launch(loaded, grid.read_text(encoding="utf-8"), address=address)
    if json:
        print_json(summary_values(launched))
    else:
        print_summary(launched)
    if launched.result.interrupted:
        raise typer.Exit(INTERRUPTED)
    if launched.result.failed:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: `sweep status runs/paper_grid`")
def status(run: RunArgument = None, storage: StorageOption = RUNS, json: JsonOption = False) -> None:
    """Show a run's trials: how far each has come, its loss, GAP and size, and why it failed."""
    from sweep.runs import find_run
    from sweep.status import run_state
    from sweep.views import print_status, status_values

    state = run_state(find_run(run, storage))
    if json:
        print_json(status_values(state))
    else:
        print_status(state)


@app.command("list", epilog="Example: `sweep list --storage runs`")
def list_runs(storage: StorageOption = RUNS, json: JsonOption = False) -> None:
    """Show all runs, newest first."""
    from sweep.runs import runs_in
    from sweep.status import run_state
    from sweep.views import print_runs, run_values

    states = [run_state(run) for run in runs_in(storage)]
    if json:
        print_json([run_values(state) for state in states])
    elif states:
        print_runs(states)
    else:
        messages().print(f"No runs in {storage}; sweep run makes one.")


@app.command(epilog="Example: `sweep report runs/paper_grid`")
def report(
    run: RunArgument = None,
    out: Annotated[Path | None, typer.Option(help="The HTML file; report.html in the run folder if omitted.")] = None,
    storage: StorageOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Write the report: one HTML file that opens offline."""
    from dashboards.report import write_report
    from sweep.records import sweep_records
    from sweep.runs import find_run

    folder = find_run(run, storage)
    path = write_report(out or folder.report, sweep_records(folder)).absolute()
    if json:
        print_json({"report": str(path)})
    else:
        output().print(f"Report: {path}")


def main() -> None:
    """Entry point of the command."""
    app()
