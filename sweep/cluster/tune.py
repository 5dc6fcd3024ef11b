"""What the Tune process does (`sweep.cluster.process` starts it): Ray Tune over the trials that are not done.

Whether a trial is done is told by its record.json alone, which is written whole and last. Tune's own files live in a
folder that is deleted at the end and never read, so that no state of theirs can make a run unrestorable.

Importing this module imports Ray Tune and Optuna.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune.search import Searcher

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.away import bring_run, driver_here, worker_here
from gapsack.sweep.cluster.fitness import on_fit_node
from gapsack.sweep.cluster.messages import Ended, SweepNotice, TuneJob
from gapsack.sweep.cluster.node_check import question_of, unfit_nodes
from gapsack.sweep.cluster.nodes import ClusterNode, cluster_nodes, elsewhere
from gapsack.sweep.cluster.outcomes import NODE, Outcomes, no_nodes
from gapsack.sweep.cluster.probe import Question
from gapsack.sweep.cluster.ray import ray_session, worker_environment
from gapsack.sweep.cluster.resources import TrialResources
from gapsack.sweep.cluster.retries import AT_FIRST, Retries
from gapsack.sweep.cluster.samplers import optuna_sampler, require_packages
from gapsack.sweep.cluster.scores import OBJECTIVES, EnsembleScore, FinishedTrial
from gapsack.sweep.cluster.searchers import ListedTrials, SampledTrials
from gapsack.sweep.cluster.signals import disregard_signals
from gapsack.sweep.cluster.stopping import scheduler_of
from gapsack.sweep.cluster.study import open_study
from gapsack.sweep.cluster.watches import GoneNodes, NodeWatch, Waiting
from gapsack.sweep.cluster.worker import TrialFunction, run_in_worker, stop_polling
from gapsack.sweep.errors import UnfitNodeError
from gapsack.sweep.grid.plan import planned
from gapsack.sweep.grid.searching import Sampler
from gapsack.sweep.runs.spec import SweepSpec
from gapsack.sweep.runs.status import RunState, state_of
from gapsack.sweep.runs.witness import refuse_another_folder

if TYPE_CHECKING:
    from gapsack.sweep.advice.ensemble_objective import EnsembleObjective

MOST_PENDING = "TUNE_MAX_PENDING_TRIALS_PG"


def run(job: TuneJob, connection: Connection) -> None:
    """As `_run`, with the folder of a run at a URL."""
    with driver_here(job.sweep):
        _run(job, connection)


def _run(job: TuneJob, connection: Connection) -> None:
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
    backend = worker_environment(settings, os.environ)["KERAS_BACKEND"]
    asked = question_of(sweep, backend=backend, gpu=resources.need_gpus, on_cluster=on_cluster)
    with ray_session(job.session, settings, largest, address=job.address, wait=on_cluster and settings.wait):
        disregard_signals()  # Ray has put a handler of its own in place
        unfit = (
            []
            if job.address is None
            else unfit_nodes(asked, largest, address=job.address, wait=settings.wait, tell=connection.send)
        )
        connection.recv()
        threading.Thread(target=_end_with_driver, args=(connection,), daemon=True).start()
        searcher = _searcher(sweep, state, resources, stop_polling(sweep.run.stop_file))
        if on_cluster and sweep.grid.search.sampler is None:
            # As many wait for a node as there are: a cluster that grows then grows by all of them at once. Tune would
            # show it one after the other.
            os.environ[MOST_PENDING] = str(max(1, len(state.waiting)))
        function = trainable(job.trial, sweep, asked, on_cluster=on_cluster)
        retries = Retries(settings.retries)
        outcomes = Outcomes(sweep, connection.send, retries, cluster_nodes if on_cluster else no_nodes)
        watches = _watches(connection, resources, unfit, on_cluster=on_cluster)
        while True:
            callbacks = [retries, outcomes, *watches]
            _fit(
                sweep,
                searcher,
                function,
                resources,
                callbacks=callbacks,
                nodes=elsewhere(unfit),
                notice=lambda sentence: connection.send(SweepNotice(sentence)),
            )
            given_up = outcomes.take_given_up()
            if not given_up:
                break
            searcher = ListedTrials(given_up, stopped=stop_polling(sweep.run.stop_file))
        # Told before Ray is shut down: its threads may end this process meanwhile, and then there is nothing to lose.
        connection.send(Ended())


def trainable(
    trial: bytes, sweep: SweepSpec, asked: Question, *, on_cluster: bool
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A pickled `TrialFunction` as a Tune function trainable, whose config is a point's axes."""

    def train(config: dict[str, Any]) -> dict[str, Any]:
        with worker_here(sweep) as here:
            return trained(config, here)

    def trained(config: dict[str, Any], sweep: SweepSpec) -> dict[str, Any]:
        if sweep.witness is not None:
            try:
                refuse_another_folder(sweep.run.path, sweep.witness)
            except InputError as error:  # nothing is written: the folder is not the run's
                if on_cluster:  # it joined after the nodes were asked: another one gets the next attempt
                    raise UnfitNodeError(str(error)) from error
                return {"status": "failed", "reason": str(error)}
        spec = sweep.trial(config)
        bring_run(sweep, spec.folder)
        function: TrialFunction = pickle.loads(trial)
        if on_cluster or asked.gpu:
            function = on_fit_node(function, asked, on_cluster=on_cluster)
        here = {NODE: ray.get_runtime_context().get_node_id()}
        return run_in_worker(function, spec, lambda metrics: tune.report({**metrics, **here}))

    return train


def _watches(
    connection: Connection, resources: TrialResources, unfit: Sequence[ClusterNode], *, on_cluster: bool
) -> list[tune.Callback]:
    """Who looks at the nodes while trials run."""
    if not on_cluster:
        return [NodeWatch()]
    left_out = {node.node_id for node in unfit}

    def usable() -> list[Mapping[str, float]]:
        return [node.resources for node in cluster_nodes() if node.alive and node.node_id not in left_out]

    return [Waiting(connection.send, resources, usable), GoneNodes(connection.send, cluster_nodes)]


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
    *,
    callbacks: list[tune.Callback],
    nodes: Mapping[str, str] | None,
    notice: Callable[[str], None],
) -> None:
    """Let Tune run what `searcher` suggests, on `nodes` of these labels; on any if None.

    `notice` is told in sentences what a person should know.
    """
    settings = sweep.grid.resources
    selected = {} if nodes is None else {"bundle_label_selector": [dict(nodes)]}
    tuner = tune.Tuner(
        tune.with_resources(function, lambda axes: tune.PlacementGroupFactory([resources.bundle(axes)], **selected)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler_of(sweep, notice),
            num_samples=-1,  # until the searcher has finished
            max_concurrent_trials=settings.concurrent,
            reuse_actors=True,  # TensorFlow takes ten seconds to import, and trials leave little (docs/adr/0012)
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=sweep.run.tune.name,
            storage_path=str(sweep.run.path),
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=AT_FIRST),
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
