"""A sweep on Ray Tune: which trials are missing, run them, and leave nothing behind.

Whether a trial is done is told by its record.json alone, which is written whole and last. Tune's own files live in a
folder that is deleted at the end and never read, so that no state of theirs can make a run unrestorable.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.cluster.ray import ray_session
from gapsack.sweep.cluster.resources import TrialResources
from gapsack.sweep.cluster.signals import stop_on_signals
from gapsack.sweep.cluster.worker import TrialFunction, trainable
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import RunState, SweepResult, state_of

if TYPE_CHECKING:
    from ray.tune import Callback
    from ray.tune.search import Searcher

    from gapsack.sweep.tracking.tracker import Tracker

__all__ = ["SweepResult", "run_sweep"]


def run_sweep(
    sweep: SweepSpec,
    tracker: Tracker,
    *,
    trial: TrialFunction,
    address: str | None = None,
    events: SweepEvents | None = None,
) -> SweepResult:
    """Run the trials of a sweep that are not done, each to its end; the caller holds the run (`RunFolder.held`).

    The first Ctrl-C or SIGTERM asks the running trials to write a checkpoint and stop; a second one ends at once.

    Raises:
        InputError: a trial needs more than there is, or no cluster answers at `address`.
        KeyboardInterrupt: the second signal.
    """
    events = events or SweepEvents()
    # Nobody's marks are signs of life here: no worker is left of earlier drivers, and none when this one ends.
    state = state_of(sweep.run, sweep.grid, alive=False)

    def ask_to_stop() -> None:
        sweep.run.stop_file.touch()
        events.stopping()

    with stop_on_signals(ask_to_stop) as stop:
        for done in state.done:  # its worker may have been killed after it wrote the record
            shutil.rmtree(done.folder.checkpoints, ignore_errors=True)
        events.sweep_started(total=state.wanted, done=len(state.done))
        if len(state.done) < state.wanted:
            resources = TrialResources(sweep.grid)
            largest = resources.largest(trial.point.axes for trial in state.waiting)
            try:
                with ray_session(sweep.grid.resources, largest, address=address):
                    from gapsack.sweep.cluster.outcomes import Outcomes

                    searcher = _searcher(sweep, state, resources, lambda: stop.requested)
                    _fit(sweep, searcher, trainable(trial, sweep), resources, Outcomes(sweep, tracker, events))
            finally:
                shutil.rmtree(sweep.run.tune, ignore_errors=True)
        return state_of(sweep.run, sweep.grid, alive=False).result(interrupted=stop.requested)


def _fit(
    sweep: SweepSpec,
    searcher: Searcher,
    function: Callable[[dict[str, Any]], dict[str, Any]],
    resources: TrialResources,
    outcomes: Callback,
) -> None:
    """Let Tune run what `searcher` suggests."""
    from ray import tune

    settings = sweep.grid.resources
    tuner = tune.Tuner(
        tune.with_resources(function, lambda axes: tune.PlacementGroupFactory([resources.bundle(axes)])),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,  # until the searcher has finished
            max_concurrent_trials=settings.concurrent,
            reuse_actors=True,  # TensorFlow takes ten seconds to import, and trials leave little (docs/adr/0012)
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=sweep.run.tune.name,
            storage_path=str(sweep.run.path),
            callbacks=[outcomes],
            failure_config=tune.FailureConfig(max_failures=settings.retries),
            verbose=0,
        ),
    )
    tuner.fit()


def _searcher(sweep: SweepSpec, state: RunState, resources: TrialResources, stopped: Callable[[], bool]) -> Searcher:
    """What suggests the trials that are not done; of a sampler's, those that were begun come first."""
    from gapsack.sweep.cluster.searchers import ListedTrials, SampledTrials

    waiting = [trial.point.axes for trial in state.waiting]
    sampler = sweep.grid.search.sampler
    if sampler is None:
        return ListedTrials(waiting, stopped=stopped)
    precision = sweep.grid.budget.precision
    return SampledTrials(
        sampler,
        known=[
            (trial.point.axes, (trial.record.gap, trial.record.size_bytes[precision]))
            for trial in state.done
            if trial.record is not None
        ],
        waiting=waiting,
        name=lambda axes: sweep.trial(axes).name,
        unusable=lambda axes: _is_unusable(sweep, resources, axes),
        stopped=stopped,
    )


def _is_unusable(sweep: SweepSpec, resources: TrialResources, axes: Mapping[str, Any]) -> bool:
    """Whether a proposed point has no model in its family, or one that fits neither the budget nor a GPU."""
    try:
        resources.gpus(axes)
        return planned(sweep.grid, sweep.trial(axes).point).status == "skipped"
    except InputError:
        return True
