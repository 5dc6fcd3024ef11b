"""A sweep on Ray Tune: which trials are missing, run them, and leave nothing behind.

Whether a trial is done is told by its record.json alone, which is written whole and last. Tune's own files live in a
folder that is deleted at the end and never read, so that no state of theirs can make a run unrestorable.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selection.errors import InputError
from sweep.atomic import read_json
from sweep.interrupts import stop_on_signals
from sweep.plan import planned
from sweep.points import trial_points
from sweep.progress import SweepProgress
from sweep.ray_session import ray_session
from sweep.spec import SweepSpec, TrialSpec
from sweep.worker import TrialFunction, trainable

if TYPE_CHECKING:
    from ray.tune.search import Searcher

    from sweep.tracking import Tracker


@dataclass(frozen=True)
class SweepResult:
    """The trials of a run by status, after `run_sweep`. `unfinished` ones were interrupted or never begun."""

    done: tuple[str, ...]
    failed: dict[str, str]
    unfinished: tuple[str, ...]
    interrupted: bool


def run_sweep(
    sweep: SweepSpec,
    tracker: Tracker,
    *,
    trial: TrialFunction,
    address: str | None = None,
    progress: SweepProgress | None = None,
) -> SweepResult:
    """Run the trials of a sweep that are not done, each to its end; the caller holds the run (`RunFolder.held`).

    The first Ctrl-C or SIGTERM asks the running trials to write a checkpoint and stop; a second one ends at once.

    Raises:
        InputError: a trial needs more than there is, or no cluster answers at `address`.
        KeyboardInterrupt: the second signal.
    """
    watcher = progress or SweepProgress()
    run = sweep.run

    def ask_to_stop() -> None:
        run.stop_file.touch()
        watcher.stopping()

    with stop_on_signals(ask_to_stop) as stop:
        done, wanted = _done_records(sweep), _wanted_count(sweep)
        _delete_leftovers(sweep, done)
        watcher.sweep_started(total=wanted, done=len(done))
        if len(done) < wanted:
            try:
                with ray_session(sweep.grid.resources, address=address):
                    searcher = _searcher(sweep, done, lambda: stop.requested)
                    _fit(sweep, searcher, trainable(trial, sweep), tracker, watcher)
            finally:
                shutil.rmtree(run.tune, ignore_errors=True)
        return _result(sweep, interrupted=stop.requested)


def _fit(
    sweep: SweepSpec,
    searcher: Searcher,
    function: Callable[[dict[str, Any]], dict[str, Any]],
    tracker: Tracker,
    watcher: SweepProgress,
) -> None:
    """Let Tune run what `searcher` suggests."""
    from ray import tune

    from sweep.outcomes import Outcomes

    resources = sweep.grid.resources
    request = {"cpu": resources.cpus, "gpu": resources.gpus, "memory": (resources.memory_gib or 0) * 2**30}
    tuner = tune.Tuner(
        tune.with_resources(function, request),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,  # until the searcher has finished
            max_concurrent_trials=resources.concurrent,
            reuse_actors=True,  # a worker has imported TensorFlow, which takes longer than a small trial
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name=sweep.run.tune.name,
            storage_path=str(sweep.run.path),
            callbacks=[Outcomes(sweep, tracker, watcher)],
            failure_config=tune.FailureConfig(max_failures=resources.retries),
            verbose=0,
        ),
    )
    tuner.fit()


def listed_trials(sweep: SweepSpec) -> list[TrialSpec]:
    """The trials of a grid that its budget does not rule out."""
    points = [point for point in trial_points(sweep.grid) if planned(sweep.grid, point).status == "planned"]
    return [sweep.trial(point.axes) for point in points]


def _wanted_count(sweep: SweepSpec) -> int:
    """How many trials the run is to have in the end."""
    sampler = sweep.grid.search.sampler
    return len(listed_trials(sweep)) if sampler is None else sampler.trials


def _started_trials(sweep: SweepSpec) -> list[TrialSpec]:
    """The trials that a worker has begun, done or not, in this driver's time or an earlier one's."""
    configs = [folder.config_file for folder in sweep.run.started_trials()]
    return [sweep.trial(read_json(config)["point"]["axes"]) for config in configs if config.exists()]


def _trials_of_interest(sweep: SweepSpec) -> list[TrialSpec]:
    """The listed trials, or those that a sampler has proposed so far."""
    return listed_trials(sweep) if sweep.grid.search.sampler is None else _started_trials(sweep)


def _done_records(sweep: SweepSpec) -> dict[str, dict[str, Any]]:
    """The records of the trials that are done, by name."""
    trials = _trials_of_interest(sweep)
    return {trial.name: read_json(trial.folder.record) for trial in trials if trial.folder.record.exists()}


def _delete_leftovers(sweep: SweepSpec, done: Iterable[str]) -> None:
    """Delete checkpoints of trials whose worker was killed between writing the record and deleting them."""
    for name in done:
        shutil.rmtree(sweep.run.trial(name).checkpoints, ignore_errors=True)


def _searcher(sweep: SweepSpec, done: dict[str, dict[str, Any]], stopped: Callable[[], bool]) -> Searcher:
    """What suggests the trials that are not done, those begun and the failed ones first."""
    from sweep.searchers import ListedTrials, SampledTrials

    waiting = [trial.point.axes for trial in _trials_of_interest(sweep) if trial.name not in done]
    sampler = sweep.grid.search.sampler
    if sampler is None:
        return ListedTrials(waiting, stopped=stopped)
    precision = sweep.grid.budget.precision
    known = [(record["axes"], (record["gap"], record["size_bytes"][precision])) for record in done.values()]
    return SampledTrials(
        sampler,
        known=known,
        waiting=waiting,
        name=lambda axes: sweep.trial(axes).name,
        unusable=lambda axes: _is_unusable(sweep, axes),
        stopped=stopped,
    )


def _is_unusable(sweep: SweepSpec, axes: Mapping[str, Any]) -> bool:
    """Whether a proposed point has no model in its family, or one that can never fit the budget."""
    try:
        return planned(sweep.grid, sweep.trial(axes).point).status == "skipped"
    except InputError:
        return True


def _result(sweep: SweepSpec, *, interrupted: bool) -> SweepResult:
    """The run's trials by what their folders say."""
    trials = _trials_of_interest(sweep)
    status = {trial.name: trial.folder.status(run_alive=False) for trial in trials}
    return SweepResult(
        done=tuple(name for name in status if status[name] == "done"),
        failed={trial.name: trial.folder.failure_reason() or "" for trial in trials if status[trial.name] == "failed"},
        unfinished=tuple(name for name in status if status[name] in ("interrupted", "pending")),
        interrupted=interrupted,
    )
