"""What the Tune process does (`sweep.cluster.process` starts it): Ray Tune over the trials that are not done.

Whether a trial is done is told by its record.json alone, which is written whole and last. Tune's own files live in a
folder that is deleted at the end and never read, so that no state of theirs can make a run unrestorable.

Importing this module imports Ray Tune and Optuna.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.messages import Ended, SweepNotice, TuneJob
from gapsack.sweep.cluster.outcomes import Outcomes
from gapsack.sweep.cluster.ray import end_without_node, node_resources, ray_session, shortage
from gapsack.sweep.cluster.resources import TrialResources
from gapsack.sweep.cluster.samplers import optuna_sampler, require_packages
from gapsack.sweep.cluster.scores import OBJECTIVES, EnsembleScore, FinishedTrial
from gapsack.sweep.cluster.searchers import ListedTrials, SampledTrials
from gapsack.sweep.cluster.signals import disregard_signals
from gapsack.sweep.cluster.stopping import scheduler_of
from gapsack.sweep.cluster.study import open_study
from gapsack.sweep.cluster.worker import TrialFunction, run_in_worker, stop_polling
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.grid.searching import Sampler
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import RunState, state_of

if TYPE_CHECKING:
    from gapsack.sweep.advice.ensemble_objective import EnsembleObjective

WATCH_SECONDS = 3.0
WAITING_SECONDS = 60.0
MOST_PENDING = "TUNE_MAX_PENDING_TRIALS_PG"


def run(job: TuneJob, connection: Connection) -> None:
    """Start Ray, wait for the driver's word, train what is missing, and tell how it goes.

    Raises:
        InputError: a trial needs more than there is, or no cluster answers.
    """
    sweep = job.sweep
    require_packages(sweep.grid.search.sampler)
    # No worker is left of earlier drivers, so that nobody's mark is a sign of life.
    state = state_of(sweep.run, sweep.grid, alive=False)
    resources = TrialResources(sweep.grid)
    largest = resources.largest(trial.point.axes for trial in state.waiting)
    settings, on_cluster = sweep.grid.resources, job.address is not None
    with ray_session(job.session, settings, largest, address=job.address, wait=on_cluster and settings.wait):
        disregard_signals()  # Ray has put a handler of its own in place
        connection.recv()
        threading.Thread(target=_end_with_driver, args=(connection,), daemon=True).start()
        searcher = _searcher(sweep, state, resources, stop_polling(sweep.run.stop_file))
        watch = Waiting(connection.send, resources) if on_cluster else NodeWatch()
        callbacks = [Outcomes(sweep, connection.send), watch]
        if on_cluster and sweep.grid.search.sampler is None:
            # As many wait for a node as there are: a cluster that grows then grows by all of them at once. Tune would
            # show it one after the other.
            os.environ[MOST_PENDING] = str(max(1, len(state.waiting)))
        _fit(sweep, searcher, trainable(job.trial, sweep), resources, callbacks)
        # Told before Ray is shut down: its threads may end this process meanwhile, and then there is nothing to lose.
        connection.send(Ended())


def trainable(trial: bytes, sweep: SweepSpec) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A pickled `TrialFunction` as a Tune function trainable, whose config is a point's axes."""

    def train(config: dict[str, Any]) -> dict[str, Any]:
        function: TrialFunction = pickle.loads(trial)
        return run_in_worker(function, sweep.trial(config), lambda metrics: tune.report(dict(metrics)))

    return train


class NodeWatch(tune.Callback):
    """Ends this process when Ray's only node, this machine, has died: Tune would wait for another one for ever."""

    def __init__(self) -> None:
        self._next_look = 0.0

    def on_step_begin(self, iteration: int, trials: list[Trial], **_info: Any) -> None:
        """Look, every few seconds."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + WATCH_SECONDS
        end_without_node()


class Waiting(tune.Callback):
    """Says, every minute, that trials wait for a node, and what the nodes lack."""

    def __init__(self, tell: Callable[[SweepNotice], None], resources: TrialResources) -> None:
        self._tell = tell
        self._resources = resources
        self._next_look = time.monotonic() + WAITING_SECONDS

    def on_step_begin(self, iteration: int, trials: list[Trial], **_info: Any) -> None:
        """Look, every minute."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + WAITING_SECONDS
        waiting = [trial for trial in trials if trial.status == Trial.PENDING]
        if waiting:
            self._tell(SweepNotice(self._told(waiting, sum(trial.status == Trial.RUNNING for trial in trials))))

    def _told(self, waiting: list[Trial], running: int) -> str:
        needed = self._resources.largest(trial.config for trial in waiting)
        nodes = node_resources()
        short = shortage(needed, nodes)
        why = "the nodes are taken" if short is None else f"{short} on any of {len(nodes)} nodes"
        return f"{len(waiting)} trials wait for a node while {running} run: {why}"


def _end_with_driver(connection: Connection) -> None:
    """End this process when the driver's end of the connection is closed, which it is too when the driver is killed."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)


def _fit(
    sweep: SweepSpec,
    searcher: Searcher,
    function: Callable[[dict[str, Any]], dict[str, Any]],
    resources: TrialResources,
    callbacks: list[tune.Callback],
) -> None:
    """Let Tune run what `searcher` suggests."""
    settings = sweep.grid.resources
    tuner = tune.Tuner(
        tune.with_resources(function, lambda axes: tune.PlacementGroupFactory([resources.bundle(axes)])),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler_of(sweep),
            num_samples=-1,  # until the searcher has finished
            max_concurrent_trials=settings.concurrent,
            reuse_actors=True,  # TensorFlow takes ten seconds to import, and trials leave little (docs/adr/0012)
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=sweep.run.tune.name,
            storage_path=str(sweep.run.path),
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=settings.retries),
            verbose=0,
        ),
    )
    tuner.fit()


def _searcher(sweep: SweepSpec, state: RunState, resources: TrialResources, stopped: Callable[[], bool]) -> Searcher:
    """What suggests the trials that are not done; of a sampler's, those that were begun come first."""
    waiting = [trial.point.axes for trial in state.waiting]
    sampler = sweep.grid.search.sampler
    if sampler is None:
        return ListedTrials(waiting, stopped=stopped)
    precision = sweep.grid.budget.precision
    objective = _ensemble_objective(sweep, sampler)
    scores = OBJECTIVES[sampler.objective]() if objective is None else EnsembleScore(objective.score)
    # What is known moves the seed along: otherwise a resumed sweep would propose its first points again.
    proposing = optuna_sampler(sampler, seed=sampler.seed + len(state.done))
    return SampledTrials(
        sampler,
        study=open_study(sweep.run, sampler, proposing, scores.directions),
        scores=scores,
        known=[
            FinishedTrial(trial.point.name, trial.point.axes, trial.record.gap, trial.record.size_bytes[precision])
            for trial in state.done
            if trial.record is not None
        ],
        ended=[trial.point.axes for trial in state.stopped],
        waiting=waiting,
        name=lambda axes: sweep.trial(axes).name,
        unusable=lambda axes: _unusable(sweep, resources, axes),
        stopped=stopped,
        proposal=None if objective is None else objective.proposal,
    )


def _ensemble_objective(sweep: SweepSpec, sampler: Sampler) -> EnsembleObjective | None:
    """What a sampler of the objective `ensemble` aims at; None of another."""
    budget_bytes = sweep.grid.budget.size_bytes
    if sampler.objective != "ensemble" or budget_bytes is None:
        return None
    from gapsack.sweep.advice.ensemble_objective import EnsembleObjective  # loads scikit-learn

    return EnsembleObjective(sweep.run, sweep.grid, sampler, budget_bytes)


def _unusable(sweep: SweepSpec, resources: TrialResources, axes: Mapping[str, Any]) -> str | None:
    """Why a proposed point is not trained: it is none of its family, or it fits neither the budget nor a GPU."""
    try:
        resources.gpus(axes)
        plan = planned(sweep.grid, sweep.trial(axes).point)
    except InputError as error:
        return str(error)
    return plan.reason if plan.status == "skipped" else None
