"""What a sweep tells while it runs: one run for the sweep, and a child run for each trial. Only the driver tells.

The methods that are called while trials run return at once: a thread writes, and goes on trying while the store is
away. What was lost nevertheless is found out by comparing: at the end, and whenever the sweep goes on, each trial that
the store has not got whole is sent from the run folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.sweep.grid.schema import Grid
from gapsack.sweep.grid.training_axes import training_at
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.provenance import run_environment
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.storage.mirrored import is_mirrored
from gapsack.sweep.tracking.backlog import Backlog, Losses
from gapsack.sweep.tracking.contents import (
    REASON_TAG,
    RECORD_METRICS,
    SENT_TAG,
    STOPPED_TAG,
    TrialContent,
    digest,
    expected_outcome,
    gain_points,
    is_begun,
    training_params,
    trial_content,
    trial_params,
)
from gapsack.sweep.tracking.measured import MeasuredPoints
from gapsack.sweep.tracking.place import TrackingRecord, tracking_uri
from gapsack.sweep.tracking.results import done_gaps, send_results, source_tags, sweep_figures
from gapsack.sweep.tracking.store import (
    KIND_TAG,
    RunContent,
    RunOutcome,
    TrackerStore,
    UsedData,
    first_line,
    metric_points,
    now_milliseconds,
)
from gapsack.sweep.tracking.stores import open_store
from gapsack.sweep.tracking.trial_runs import TrialRuns

PATIENCE_SECONDS = 20.0
"""How long, after its last sign of life, the end of a sweep waits for a store that is away."""
SWEEP = ""
"""What is measured of the sweep as a whole is about."""


class Tracker:
    """Told of a sweep. This one keeps nothing (`tracking.uri: none`); `StoreTracker` sends it to a store.

    Attributes:
        uri: Of the store; None where there is none.
        view: What a person types or opens to look at the sweep there; None where there is nothing.
    """

    uri: str | None = None
    view: str | None = None

    def start_sweep(self) -> None:
        """The sweep begins, or goes on."""

    def trial_started(self, name: str, settings: Mapping[str, Any]) -> None:
        """A worker has the trial, whose `TrialPoint.settings` these are."""

    def trial_metrics(self, name: str, step: int, metrics: Mapping[str, float]) -> None:
        """What was measured at a step."""

    def trial_finished(self, name: str, record: TrialResult, artifacts: Iterable[Path]) -> None:
        """The trial is done; `record` is its record.json, `artifacts` are files to keep with it."""

    def trial_gained(self, name: str) -> None:
        """It is known what a trial that is done adds to the ensemble: its folder has it (`runs.ensemble_gain`)."""

    def trial_failed(self, name: str, reason: str) -> None:
        """The trial failed for good."""

    def trial_stopped_early(self, name: str) -> None:
        """The trial ended before its last step: its folder has how (`StoppedEarly`)."""

    def close(self, outcome: RunOutcome, *, patience_seconds: float = PATIENCE_SECONDS) -> Losses | None:
        """The sweep has ended so, and no trial runs; what could not be written, if anything."""
        return None


def open_tracker(run: RunFolder, grid: Grid, folder: Path, notice: Callable[[str], object]) -> Tracker:
    """Who is to be told of a sweep, by the grid's `tracking` section.

    Args:
        run: the run.
        grid: the resolved grid.
        folder: the working folder, where the store is if nothing else is set.
        notice: gets what a person should know.

    Raises:
        InputError: nothing usable is there.
    """
    uri = tracking_uri(grid.tracking, folder)
    if uri is None:
        return Tracker()
    return StoreTracker(open_store(uri, grid.tracking.experiment, folder), run, grid, folder=folder, notice=notice)


class StoreTracker(Tracker):
    """Sends what it is told of a sweep to a store.

    Args:
        store: the experiment.
        run: the run folder, which keeps the run ids, and from which everything can be sent again.
        grid: the resolved grid.
        folder: the working folder; a store below it, as the run is, moves with it. The folder of the runs' folder if
            omitted.
        notice: gets what a person should know.
    """

    def __init__(
        self,
        store: TrackerStore,
        run: RunFolder,
        grid: Grid,
        *,
        folder: Path | None = None,
        notice: Callable[[str], object] = lambda _message: None,
    ) -> None:
        self.uri = store.uri
        self.view = store.view
        self._store = store
        self._run = run
        self._grid = grid
        self._folder = run.path.parent if folder is None else folder
        self._notice = notice
        self._kept = TrackingRecord(store.uri, grid.tracking.experiment, store.experiment_id)
        self._trials = TrialRuns(store, run, self._kept, self._folder)
        self._ungained: set[str] = set()
        """Trials of which the store has all but what they add to the ensemble, and surely nothing of that."""
        self._over: set[str] = set()
        """Trials that have ended, and are about to be sent whole: whatever waits before that is sent with it."""
        self._measured = MeasuredPoints(store.may_pass)
        """What was measured and is not sent, by trial, and of the sweep."""
        self._settled: dict[str, str] = {}
        """Trials that the store has whole, with the digest of what it has."""
        self._steps: dict[str, int] = {}
        """Of the trials that were started."""
        self._gaps: dict[str, float] = {}
        """Of the trials that are done."""
        self._sweep_data: set[str] = set()
        """Digests of the data that the sweep's own run has."""
        self._backlog = Backlog(store.may_pass)

    def start_sweep(self) -> None:
        """Open the sweep's run, or open it again; trials that the store has not got whole are sent once more.

        Waits for the store: one that cannot be reached is better known before anything is trained. What it has of many
        trials takes long to be told, and is asked for while others are trained.

        Raises:
            InputError: it does not take the sweep.
        """
        try:
            self._open_parent()
        except Exception as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"expected {self.uri} (tracking.uri) to take this sweep, got: {first_line(error)}"
            ) from error
        self._gaps = done_gaps(self._run)
        # Before a worker can change any of them.
        expected = {trial.name: expected_outcome(trial) for trial in self._run.started_trials()}
        self._backlog.add(lambda: self._look_up(expected))
        self._catch_up()

    def trial_started(self, name: str, settings: Mapping[str, Any]) -> None:
        """A worker has the trial, whose `TrialPoint.settings` these are: its run is RUNNING."""
        self._steps[name] = training_at(self._grid.training, settings).steps
        self._over.discard(name)
        self._backlog.add(partial(self._start_trial, name, trial_params(self._grid, settings)), name)

    def trial_metrics(self, name: str, step: int, metrics: Mapping[str, float]) -> None:
        """What was measured at a step; values that are not finite are left out, as they cannot be drawn.

        At the last step a figure that the record has as well is left to it, so that there is one.
        """
        last = step >= self._steps.get(name, self._grid.training.steps)
        told = {
            key: value
            for key, value in metrics.items()
            if math.isfinite(value) and not (last and key in RECORD_METRICS)
        }
        self._measured.note(name, metric_points(told, step=step, milliseconds=now_milliseconds()))
        self._backlog.add(lambda: self._send_measured(name), name)

    def trial_finished(self, name: str, record: TrialResult, artifacts: Iterable[Path]) -> None:
        """The trial is done: its run is FINISHED."""
        files = tuple(artifacts)
        content = partial(trial_content, self._run.trial(name), self._grid, record=record, files=files)
        self._over.add(name)
        self._backlog.add(lambda: self._settle(name, content()), name, mends=True)
        self._gaps[name] = record.gap
        self._measured.note(SWEEP, metric_points(sweep_figures(self._gaps), step=len(self._gaps)))
        self._backlog.add(self._send_sweep_points)

    def trial_gained(self, name: str) -> None:
        """What a trial adds to the ensemble becomes metrics of its run."""
        self._backlog.add(lambda: self._settle_gain(name), name)

    def trial_failed(self, name: str, reason: str) -> None:
        """The trial failed for good: its run is FAILED."""
        content = partial(trial_content, self._run.trial(name), self._grid, reason=reason)
        self._over.add(name)
        self._backlog.add(lambda: self._settle(name, content()), name, mends=True)

    def trial_stopped_early(self, name: str) -> None:
        """The trial ended before its last step: its run is KILLED, and has the reason."""
        self._over.add(name)
        self._backlog.add(partial(self._settle_by_files, name), name, mends=True)

    def close(self, outcome: RunOutcome, *, patience_seconds: float = PATIENCE_SECONDS) -> Losses | None:
        """Send what the store lacks and end the runs: trials that are not over are KILLED, the sweep ends as `outcome`.

        Returns what could not be written, if anything; the next `start_sweep` sends that.
        """
        self._catch_up()
        self._backlog.add(self._end_strays, "strays")
        self._backlog.add(self._trials.keep_ids)
        self._backlog.add(self._send_results, mends=True)
        self._backlog.add(lambda: self._store.end(self._trials.parent, outcome))
        return self._backlog.close(patience_seconds)

    def _open_parent(self) -> None:
        earlier = TrackingRecord.read(self._run)
        self._kept.parent = None if earlier is None else earlier.parent
        known = None if self._kept.parent is None else self._store.content(self._kept.parent)
        if known is None:
            if earlier is not None and earlier.parent is not None:
                self._notice(self._where_it_was(earlier))
            tags = {"gapsack.run": self._run.name, KIND_TAG: "sweep"}
            self._kept.parent, known = self._store.create_run(self._run.name, tags), RunContent("RUNNING")
            self._trials.keep_ids()
        else:
            self._store.resume(self._trials.parent)
        params = {"family": ", ".join(self._grid.model.names), **training_params(self._grid)}
        # The folder each time: a run may have been moved or copied.
        # A run at a URL is worked on in a folder of the cache, which tells nothing of the code that made it.
        around = self._folder if is_mirrored(self._run.path) else self._run.path
        tags = {"gapsack.run_folder": self._run.address, **source_tags(), **run_environment(around)}
        self._store.log(self._trials.parent, params=_lacking(params, known.params), tags=tags)
        for path in (self._run.grid_file, self._run.config_file, self._run.checksums_file):
            if path.exists():
                self._store.artifact(self._trials.parent, path)

    def _where_it_was(self, earlier: TrackingRecord) -> str:
        """For a person: this sweep's records are not where they are looked for."""
        if (earlier.uri, earlier.experiment) != (self._kept.uri, self._kept.experiment):
            was = f"This sweep was recorded in {earlier.uri} (experiment {earlier.experiment!r})"
        else:
            was = "This sweep was recorded here before, and its records are gone"
        return (
            f"{was}; it is recorded in {self._kept.uri} (experiment {self._kept.experiment!r}) from now on, which gets "
            "what is done already from the run folder"
        )

    def _look_up(self, expected: Mapping[str, RunOutcome]) -> None:
        """Learn which trials the store has, and which of them whole, by how their runs must have ended."""
        for child in self._trials.there():
            outcome = expected.get(child.name)
            if outcome is None:
                if child.status == "RUNNING":
                    self._store.end(child.run_id, "KILLED")
            elif child.status == outcome:
                self._settled[child.name] = child.tags.get(SENT_TAG, "")
        self._trials.keep_ids()

    def _catch_up(self) -> None:
        """Have those trials of the run folder sent that the store has not got whole, once that is known."""
        for trial in self._run.started_trials():
            self._backlog.add(partial(self._settle_by_files, trial.name), trial.name, mends=True)

    def _settle_by_files(self, name: str) -> None:
        trial = self._run.trial(name)
        if is_begun(trial) and (self._trials.is_told_of(name) or self._settled.get(name) != digest(trial)):
            self._settle(name, trial_content(trial, self._grid))

    def _start_trial(self, name: str, params: Mapping[str, Any]) -> None:
        self._settled.pop(name, None)
        self._ungained.discard(name)
        if name in self._over:
            return
        run_id, has = self._trials.of(name)
        if has.status != "RUNNING":
            self._store.resume(run_id)
            has.status = "RUNNING"
        lacking = _lacking(params, has.params)
        if lacking:
            with self._trials.asked_again(name):
                self._store.log(run_id, params=lacking)
            has.params.update({key: str(value) for key, value in lacking.items()})

    def _settle(self, name: str, content: TrialContent) -> None:
        """Send all that the store lacks of a trial, at the end of it that it is all, then how the trial ended."""
        trial = self._run.trial(name)
        whole, gained = digest(trial), trial.gain.exists()
        run_id, has = self._trials.of(name, content.started_milliseconds)
        with self._measured.taken(name) as measured, self._trials.asked_again(name):
            for path in content.files:
                self._store.artifact(run_id, path)
            if content.data:
                self._store.data(run_id, content.data)
                self._tell_data_of_sweep(content.data)
            # A trial that failed before and is done now has no reason any more, and tags cannot be taken away.
            reason = {tag: "" for tag in (REASON_TAG, STOPPED_TAG) if has.tags.get(tag) and tag not in content.tags}
            told = {} if content.model is None else {point.place: point for point in content.model.figures}
            points = {point.place: point for point in (*content.curve, *measured)}  # the times of these are right
            self._store.log(
                run_id,
                points=[point for place, point in points.items() if place not in has.places and place not in told],
                params=_lacking(content.params, has.params),
                tags={**reason, **content.tags, SENT_TAG: whole},
                model=content.model,
                new=self._trials.is_new(name),
            )
            if has.status != content.outcome:
                self._store.end(run_id, content.outcome, milliseconds=content.ended_milliseconds)
        if self._trials.is_new(name) and not gained:
            self._ungained.add(name)
        self._settled[name] = whole
        self._trials.forget(name)

    def _settle_gain(self, name: str) -> None:
        """Send a trial's gain; of a trial that the store has not got whole, all there is."""
        trial = self._run.trial(name)
        if name not in self._settled or not trial.gain.exists():
            self._settle_by_files(name)
            return
        points = gain_points(trial)
        if name in self._ungained:
            # Should the answer be lost, the next attempt asks.
            self._ungained.discard(name)
        else:
            _, has = self._trials.of(name)
            points = [point for point in points if point.place not in has.places]
        run_id = self._trials.id_of(name)
        with self._trials.asked_again(name):
            self._store.artifact(run_id, trial.gain)
            whole = digest(trial)
            self._store.log(run_id, points=points, tags={SENT_TAG: whole})
        self._settled[name] = whole
        self._trials.forget(name)

    def _tell_data_of_sweep(self, data: Sequence[UsedData]) -> None:
        """The sweep's own run has the data of its trials: the same for all, told with the first that is done."""
        lacking = [each for each in data if each.digest not in self._sweep_data]
        if lacking:
            self._store.data(self._trials.parent, lacking)
            self._sweep_data.update(each.digest for each in lacking)

    def _send_measured(self, name: str) -> None:
        """Send what was measured in a trial that goes on, in one call however much it has become."""
        if name in self._over or not self._measured.any_of(name):
            return
        run_id, has = self._trials.of(name)
        with self._measured.taken(name) as measured, self._trials.asked_again(name):
            lacking = list({point.place: point for point in measured if point.place not in has.places}.values())
            if lacking:
                self._store.log(run_id, points=lacking)
            has.places.update(point.place for point in lacking)

    def _send_sweep_points(self) -> None:
        """The same of the sweep. Where an answer is lost a point may be there twice, of one value and time."""
        with self._measured.taken(SWEEP) as measured:
            if measured:
                self._store.log(self._trials.parent, points=measured)

    def _end_strays(self) -> None:
        """Trials that have no folder cannot be sent from it, but none is left RUNNING."""
        if self._trials.are_among(self._settled):
            return
        for child in self._trials.there():
            if child.status == "RUNNING":
                self._store.end(child.run_id, "KILLED")

    def _send_results(self) -> None:
        send_results(self._store, self._trials.parent, self._run, self._grid, self._gaps)


def _lacking(values: Mapping[str, Any], there: Mapping[str, str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in there}
