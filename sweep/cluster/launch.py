"""Starting or resuming a sweep: data files found, run folder made, MLflow opened; then `sweep.cluster.drive` trains."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json, replace_text
from gapsack.sweep.cluster.away import run_of, sending
from gapsack.sweep.cluster.drive import SweepResult, driving
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.signals import ended_by_signals, stop_on_signals
from gapsack.sweep.cluster.time_limit import checked_hours, time_limit
from gapsack.sweep.data.files import Split
from gapsack.sweep.data.parts import files_of
from gapsack.sweep.grid.flat import flat
from gapsack.sweep.grid.read import load_config
from gapsack.sweep.grid.schema import EVERY_TRIAL, Grid, StartFrom
from gapsack.sweep.grid.training_axes import SECTION, key_problem
from gapsack.sweep.runs.damage import set_aside_damaged
from gapsack.sweep.runs.data_check import DataCheck
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.rungs import RungHistory
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.starting_weights import with_sources
from gapsack.sweep.runs.witness import leave_witness
from gapsack.sweep.teaching.tutor import with_digest
from gapsack.sweep.tracking.backlog import Losses
from gapsack.sweep.tracking.store import RunOutcome
from gapsack.sweep.tracking.tracker import open_tracker
from gapsack.sweep.trial.run import run_trial

FREE = ("data.folder", "data.holdout.allow_damaged", "training.teacher.predictions")
"""Keys that may be another when a run goes on."""

START = "training.start_from"
"""Key of what trials begin with, which is compared by what is in it."""

FAMILIES = "model.families."
"""What keys of families begin with, before the family's name."""


@dataclass(frozen=True)
class Launched:
    """A sweep that has ended: its run, what came of it, where it is recorded and looked at, what is lacking there, the
    signal that asked to stop, and whether its hours were over.

    `tracking_uri` and `tracking_view` are None where nothing is to be recorded (`tracking.uri: none`).
    """

    run: RunFolder
    grid: Grid
    tracking_uri: str | None
    tracking_view: str | None
    result: SweepResult
    losses: Losses | None
    signal: int | None = None
    time_was_over: bool = False


def launch(
    grid: Grid,
    grid_text: str,
    folder: Path,
    *,
    address: str | None = None,
    events: SweepEvents | None = None,
    train_on: Sequence[str] = (),
    hours: float | None = None,
) -> Launched:
    """Train what is missing of a grid's trials.

    In a main thread, the first Ctrl-C, SIGTERM or SIGHUP asks the running trials to write a checkpoint and stop. A
    second one ends at once, and so does the first one before anything is trained.

    Args:
        grid: the resolved grid.
        grid_text: the grid file, which is kept with the run.
        folder: where `storage` lies if it is relative, and MLflow's database if nothing else is set.
        address: a Ray cluster; Ray on this machine otherwise.
        events: is told of all that happens.
        train_on: names of trials that were stopped early and are to be trained to their end after all.
        hours: after so many, counted from this call, running trials write a checkpoint and stop, as by a first Ctrl-C.

    Raises:
        InputError: `hours` are none, a trial to train on was not stopped early, data files or weights to begin with are
            missing, the run was made with another grid, another process drives it, MLflow does not answer, or a trial
            needs more than there is.
        ClusterError: Ray died with trials left to train.
        EndedBySignalError: ended at once; a KeyboardInterrupt.
    """
    began, hours = time.monotonic(), checked_hours(hours)
    split = find_files(grid)
    grid = with_digest(grid, files_of(split.train))
    run, url = run_of(grid, folder)
    grid = with_sources(grid, run)
    events = events or SweepEvents()
    with ended_by_signals(), run.held(events.notice):
        prepare(run, grid, grid_text, split)
        for name in train_on:
            train_to_end(run, name)
        events.checking_data()
        for sentence in set_aside_damaged(run, grid):
            events.notice(sentence)
        for sentence in DataCheck(grid.data, split.train, split.holdout).run(run):
            events.notice(sentence)
        spec = SweepSpec(str(run.path), grid, split.train, split.holdout, leave_witness(run.path), url)
        with sending(run, events.notice), driving(spec, trial=run_trial, address=address, events=events) as drive:
            events.opening_tracking()
            tracker = open_tracker(run, grid, folder, events.notice)
            result = None
            ask = run.stop_file.touch
            with stop_on_signals(ask) as stop, time_limit(hours, began, stop, ask):
                tracker.start_sweep()
                try:
                    result = drive.run(tracker, stop)
                except KeyboardInterrupt:
                    events.ended_at_once()
                    raise
                finally:
                    events.sweep_ended()
                    losses = tracker.close(_outcome(result))
    return Launched(run, grid, tracker.uri, tracker.view, result, losses, stop.number, stop.time_is_over)


def _outcome(result: SweepResult | None) -> RunOutcome:
    """How the sweep's MLflow run ends; None stands for an error or a second Ctrl-C."""
    if result is None or result.interrupted:
        return "KILLED"
    return "FAILED" if result.failed else "FINISHED"


def find_files(grid: Grid) -> Split:
    """The sweep's training and held-out files.

    Raises:
        DataError: a pattern matches nothing, or no file is left to train on.
        ConfigError: the hold-out rule cannot be followed.
    """
    return grid.data.files()


def prepare(run: RunFolder, grid: Grid, grid_text: str, split: Split) -> None:
    """Write what a run is made from. A run that exists goes on, if its trials stay comparable.

    More points and axes, other resources or another budget are fine. Other data are not, since scores would be of other
    videos; another family, options or section of training are not, since trials that are done would be others by now.

    Raises:
        InputError: naming what differs.
    """
    files = {"train": list(split.train), "holdout": list(split.holdout)}
    if run.config_file.exists():
        differences = changes(load_config(run.config_file), grid)
        earlier = run.data_files()
        if earlier is not None:
            differences += file_changes(earlier.model_dump(), files)
        if differences:
            keys = [each.split()[0] for each in differences if each.startswith(f"{SECTION}.")]
            axis = next((key for key in keys if key_problem(key) is None), None)
            varied = f"; or keep the section, and list {axis} in search.points or search.grid" if axis else ""
            raise InputError(
                f"expected the grid that {run.path} was made with, got another one: {'; '.join(differences)}. "
                f"Choose another name (--name) for a new run, or undo the change to go on with this one{varied}"
            )
    replace_text(run.grid_file, grid_text)
    replace_json(run.files_file, files)
    replace_json(run.config_file, grid.to_dict())


def train_to_end(run: RunFolder, name: str) -> None:
    """Make a trial that was stopped early wait again, and free it of further comparisons with others.

    Raises:
        InputError: the run has no such trial, or it was not stopped early.
    """
    trial = run.trial(name)
    history = RungHistory.of(trial)
    if not trial.stopped.exists() and history.verdict is None:
        early = [each.name for each in run.started_trials() if each.stopped.exists()]
        known = f"those are {', '.join(early)}" if early else "none of this run was"
        got = trial.status(run_alive=False) if trial.path.exists() else "no trial of this run"
        raise InputError(f"expected a trial that was stopped early ({known}), got {name} ({got})")
    history.model_copy(update={"exempt": True}).write(trial)
    trial.go_on()


def changes(old: Grid, new: Grid) -> list[str]:
    """What differs between two grids and would make their trials incomparable."""
    found = []
    both = old.model.families.keys() & new.model.families.keys()
    for section in ("data", "model", "training"):
        before, after = flat(old.to_dict()[section], section), flat(new.to_dict()[section], section)
        # Where files lie says nothing about them; their names, and a teacher's digest, are compared too. What may be
        # damaged does not change what is in them.
        keys = [key for key in {**before, **after} if key not in FREE and before.get(key) != after.get(key)]
        keys = [key for key in keys if not key.startswith(START)]
        # Of several families some may come and others go.
        keys = [key for key in keys if not key.startswith(FAMILIES) or key.removeprefix(FAMILIES).split(".")[0] in both]
        found += [f"{key} was {before.get(key)} and is {after.get(key)}" for key in keys]
    return found + _start_changes(old.training.start_from, new.training.start_from)


def _start_changes(old: StartFrom | None, new: StartFrom | None) -> list[str]:
    """What trials begin with, where that is something else; whose it is, and where it lies, does not matter."""
    if old is None or new is None:
        got = [f"{START} was {'not there' if old is None else 'there'} and is {'there' if old is None else 'not'}"]
        return [] if old is new else got
    found = []
    for trial in {**old.sources, **new.sources}:
        before, after = old.source(trial), new.source(trial)
        if before is not None and after is not None and before.sha256 != after.sha256:
            whose = "every trial" if trial == EVERY_TRIAL else f"trial {trial}"
            found.append(
                f"{START} for {whose} had weights of the SHA-256 {before.sha256[:12]}… and has {after.sha256[:12]}…"
            )
    return found


def file_changes(old: Mapping[str, Sequence[str]], new: Mapping[str, Sequence[str]]) -> list[str]:
    """How the data files' names differ; a run may move to a machine that has them elsewhere."""
    found = []
    for kind, what in (("train", "training"), ("holdout", "held-out")):
        before, after = ([PurePath(path).name for path in files[kind]] for files in (old, new))
        if sorted(before) != sorted(after):
            found.append(f"there were {len(before)} {what} files and now {len(after)}, or others")
    return found
