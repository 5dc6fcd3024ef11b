"""What a store has of a sweep as a whole: how far it is, the best of it, its ensemble, and the files made of it."""

from __future__ import annotations

import getpass
import hashlib
import itertools
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gapsack.selection.decimals import mib_decimals, mib_number, score_text
from gapsack.selection.errors import GapsackError
from gapsack.selection.report.ensemble import Ensemble, reported
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.training_axes import SEED
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.seeds import seed_spreads
from gapsack.sweep.tracking.place import TrackingRecord
from gapsack.sweep.tracking.store import RunContent, TrackerStore, first_line, metric_points
from gapsack.sweep.tracking.stores import open_store

NOTE_TAG = "mlflow.note.content"
"""What MLflow shows as a run's description, in Markdown."""

FILES_TAG = "gapsack.results"
"""The digest of those of a run's results that the store has."""


def send_results(store: TrackerStore, run_id: str, run: RunFolder, grid: Grid, gaps: Mapping[str, float]) -> None:
    """Send what there is of a sweep now, unless the store has it: figures, a description, report, frontier, ensemble.

    Args:
        store: the experiment.
        run_id: the sweep's own run.
        run: its folder.
        grid: the resolved grid.
        gaps: of the trials that are done, by name.

    Raises:
        InputError: the ensemble's file is damaged.
    """
    has = store.content(run_id) or RunContent("RUNNING")
    ensemble = Ensemble.read(run.ensemble_file) if run.ensemble_file.exists() else None
    figures = {
        **sweep_figures(gaps),
        **seed_figures(run, grid),
        **({} if ensemble is None else ensemble_figures(ensemble)),
    }
    points = metric_points(figures, step=len(gaps))
    files = [path for path in (run.report, run.frontier_file, run.ensemble_file) if path.exists()]
    whole = _digest(files)
    if has.tags.get(FILES_TAG) != whole:
        for path in files:
            store.artifact(run_id, path)
    tags = {NOTE_TAG: note(run, grid, gaps, ensemble), FILES_TAG: whole}
    store.log(
        run_id,
        points=[point for point in points if has.latest.get(point.key) != point.value],
        tags={key: value for key, value in tags.items() if has.tags.get(key) != value},
    )


def track_results(run: RunFolder) -> str | None:
    """Send what there is of a run now to where it is recorded; its own run's id there, None if it is recorded nowhere.

    Raises:
        GapsackError: what the run is recorded in is not there, or does not take it.
    """
    recorded = TrackingRecord.read(run)
    if recorded is None or recorded.parent is None:
        return None
    store = open_store(recorded.uri, recorded.experiment, run.path, create=False)
    try:
        send_results(store, recorded.parent, run, load_config(run.config_file), done_gaps(run))
    except GapsackError:
        raise
    except Exception as error:
        raise GapsackError(f"expected {store.uri} to keep the run's results, got: {first_line(error)}") from error
    return recorded.parent


def done_gaps(run: RunFolder) -> dict[str, float]:
    """The GAP of each trial of a run that is done, by name.

    Raises:
        InputError: a record is damaged.
    """
    results = ((trial.name, trial.result()) for trial in run.started_trials())
    return {name: result.gap for name, result in results if result is not None}


def source_tags() -> dict[str, str]:
    """Who started this, and with what, under MLflow's own names; the user as far as the system knows one."""
    try:
        user = {"mlflow.user": getpass.getuser()}
    except (KeyError, OSError):  # a container's user without a name
        user = {}
    # Up to the first option: what is behind may be an address with a password.
    arguments = itertools.takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:])
    program = Path(sys.argv[0]).name
    command = shlex.join(["gapsack" if program == "__main__.py" else program, *arguments])
    return {**user, "mlflow.source.name": command, "mlflow.source.type": "LOCAL"}


def sweep_figures(gaps: Mapping[str, float]) -> dict[str, float]:
    """How many trials are done, and the best GAP of them."""
    return {"trials_done": float(len(gaps)), **({"best_gap": max(gaps.values())} if gaps else {})}


def seed_figures(run: RunFolder, grid: Grid) -> dict[str, float]:
    """Where seeds vary: mean and standard deviation of the GAP of each point over its seeds, by the point's name."""
    if SEED not in grid.search.axes:
        return {}
    found = {}
    for spread in seed_spreads(grid, [result for trial in run.started_trials() if (result := trial.result())]):
        found[f"seeds/{spread.name}/gap_mean"] = spread.mean
        if spread.deviation is not None:
            found[f"seeds/{spread.name}/gap_std"] = spread.deviation
    return found


def ensemble_figures(ensemble: Ensemble) -> dict[str, float]:
    """The ensemble's GAP, that of videos by what was not chosen on them with the interval of its score, and its bytes.

    The names are those of held-out figures, cross-fitted ones as well, so that runs compare; the note says which.
    """
    held_out: Mapping[str, Any] = ensemble.held_out or {}
    low, high = held_out.get("interval") or (None, None)
    found = {
        "ensemble_gap": ensemble.gap,
        "ensemble_gap_held_out": held_out.get("gap"),
        "ensemble_held_out_low": low,
        "ensemble_held_out_high": high,
        "ensemble_bytes": ensemble.total_bytes,
        "ensemble_members": len(ensemble.members),
    }
    return {key: float(value) for key, value in found.items() if value is not None}


def note(run: RunFolder, grid: Grid, gaps: Mapping[str, float], ensemble: Ensemble | None) -> str:
    """The sweep in a few lines of Markdown."""
    lines = [f"Sweep **{run.name}** of `{', '.join(grid.model.names)}`: {len(gaps)} trials done."]
    if gaps:
        best = max(gaps, key=lambda name: gaps[name])
        lines.append(f"Best trial: **{best}**, GAP {score_text(gaps[best])}.")
    if ensemble is not None:
        members = " + ".join(f"{member.name} ({member.precision})" for member in ensemble.members)
        held_out = ensemble.held_out or {}
        told = held_out.get("gap")
        score = "" if told is None else f", {reported(held_out)} GAP {score_text(told)}"
        digits = mib_decimals([ensemble.total_bytes, ensemble.budget_bytes])
        size = f"{mib_number(ensemble.total_bytes, digits)} of {mib_number(ensemble.budget_bytes, digits)} MiB"
        lines.append(f"Ensemble: {members}; {size}{score}.")
    lines.append(f"Run folder: `{run.address}`.")
    return "\n\n".join(lines)


def _digest(files: list[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        found.update(f"{path.name} {len(content)} ".encode() + content)
    return found.hexdigest()[:16]
