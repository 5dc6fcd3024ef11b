"""The stages of the command lines for a notebook or a program: nothing is printed, and no working directory matters.

    from gapsack.sweep import api

    launched = api.run("grid.yaml", data="~/yt8m")
    chosen = api.ensemble(launched.run.path, budget_mib=1024)
    built = api.build(launched.run.path)
    api.evaluate(built.info.directory, ["~/yt8m/validate*.tfrecord"]).gap

Paths mean what they mean in any other call. Where a result has its place in a run, it goes there; where it has none, it
is written only if a place is given. Progress goes to whom the caller names; errors are exceptions, and bad input is an
`InputError`. Importing this module loads nothing heavy.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.addresses import as_told, telling_urls
from gapsack.sweep.storage.mirrored import at_way, bring, is_mirrored, place_of, reading, to_write, url_in

if TYPE_CHECKING:
    from gapsack.selection.frontier import Frontier
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.selection.report.explanation import Explanation
    from gapsack.sweep.cluster.events import SweepEvents
    from gapsack.sweep.cluster.launch import Launched
    from gapsack.sweep.graphs.build_and_track import Built
    from gapsack.sweep.measure.labelled_lists import Evaluation
    from gapsack.sweep.runs.sources import Source
    from gapsack.sweep.runs.status import RunState

__all__ = ["build", "ensemble", "evaluate", "explain", "frontier", "predict", "run", "status"]

PathLike = Path | str
Advance = Callable[[int], object]
"""Gets how much more is done: videos that were read, or members that were written."""
Notice = Callable[[str], object]
"""Gets a sentence that a person should know and that stops nothing."""
SearchControl = AbstractContextManager[Mapping[str, Any]]
"""Surrounds a search and gives it options."""


@telling_urls()
def run(
    grid: PathLike,
    *,
    folder: PathLike | None = None,
    data: PathLike | None = None,
    name: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    events: SweepEvents | None = None,
    train_on: Sequence[str] = (),
    hours: float | None = None,
) -> Launched:
    """Train a grid's trials, or go on where an earlier run stopped; what is done is never trained again.

    In a main thread the first Ctrl-C, SIGTERM or SIGHUP stops in order (`result.interrupted`), the second ends at once.

    Args:
        grid: the grid file.
        folder: where `storage` lies if it is relative, and MLflow's database if nothing else is set; the grid file's
            own folder if omitted.
        data: folder of the data files; else $GAPSACK_DATA, else the grid's own.
        name: of the run, in place of the grid's own.
        tracking_uri: MLflow's, in place of the grid's own.
        address: a Ray cluster (for example "auto"); Ray on this machine otherwise.
        events: is told of all that happens.
        train_on: names of trials that were stopped early and are to be trained to their end after all.
        hours: after so many, trials stop as by a first Ctrl-C (`time_was_over`); the same call goes on.

    Raises:
        InputError: the grid is wrong, `hours` are none, a trial to train on was not stopped early, data files are
            missing, the run was made with another grid, another process drives it, MLflow does not answer, or a trial
            needs more than there is.
        ClusterError: Ray died with trials left to train; the same call goes on.
        KeyboardInterrupt: the second signal, or one before anything is trained.
    """
    from gapsack.sweep.cluster.launch import launch
    from gapsack.sweep.grid.read import load_grid

    file = _absolute(grid)
    loaded = load_grid(
        file,
        data_folder=None if data is None else os.fspath(data),
        overrides={("name",): name, ("tracking", "uri"): tracking_uri},
    )
    here = file.parent if folder is None else _absolute(folder)
    return launch(
        loaded,
        file.read_text(encoding="utf-8"),
        here,
        address=address,
        events=events,
        train_on=list(train_on),
        hours=hours,
    )


@reading()
def status(run: PathLike) -> RunState:
    """How a run and its trials stand, by the files of the run folder.

    Raises:
        InputError: it is no run.
    """
    from gapsack.sweep.runs.folder import RunFolder
    from gapsack.sweep.runs.status import run_state

    return run_state(RunFolder.open(_absolute(run)))


@reading()
def ensemble(
    source: PathLike,
    *,
    budget_mib: float,
    out: PathLike | None = None,
    address: str | None = None,
    notice: Notice | None = None,
    control: SearchControl | None = None,
    **options: Any,
) -> Ensemble:
    """Search the best subset, precisions and weights under a size budget.

    Args:
        source: a run or a pool.
        budget_mib: the most that the graph may take on disk, in MiB.
        out: the ensemble's file; ensemble.json in the run if omitted, and none for a pool of no run.
        address: a Ray cluster that evaluates; threads here otherwise.
        notice: is told, in sentences, which candidates are left out because their files are damaged; a warning if
            omitted.
        control: surrounds the search alone, entered once the pool is read and the cluster answers; gives further
            options, for whoever shows `progress` or has signals end the search.
        options: see `selection.subsets.options.Options`; a search is watched by `progress`, stopped by `should_stop`.

    Returns:
        The ensemble, with the way from its file to the pool if it was written. `held_out` is what to expect of it on
        new items: cross-fitted, or held out with a `tune_share` (`gapsack.selection.report.ensemble.reported_on` says
        which in words).

    Raises:
        InputError: there is no pool, nothing fits the budget, or an option says nothing sensible.
    """
    from gapsack.selection.search import search_ensemble
    from gapsack.selection.units import bytes_of_budget
    from gapsack.sweep.graphs.ensembles import write_ensemble
    from gapsack.sweep.graphs.frontiers import offer_to_frontier

    budget = bytes_of_budget(budget_mib)
    with _search(source, address, notice, control, options) as (found, candidates, settings):
        chosen = search_ensemble(candidates, budget_bytes=budget, **settings)
    path = _place(found, out, "ensemble_file")
    written = chosen if path is None else write_ensemble(chosen, path, found.path)
    if found.run is not None:
        offer_to_frontier(chosen, found.run.frontier_file, _told(notice))
    return written


@reading()
def explain(source: PathLike, *, notice: Notice | None = None, **options: Any) -> Explanation:
    """Say of an ensemble what each member brings, what others would, and what a MiB and other precisions are worth.

    It joins the ensemble's file as its `explanation`, for the report.

    Args:
        source: a run, or an ensemble.json.
        notice: as for `ensemble`.
        options: see `selection.explain.explain.explain`; metric, split and seed are the ensemble's own where not given.

    Raises:
        InputError: there is no ensemble, its pool is not where it says or lacks a member, or an option is out of range.
    """
    from dataclasses import asdict

    from gapsack.selection.explain.explain import explain as explain_ensemble
    from gapsack.selection.files import read_json, replace_json
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.report.ensemble import Ensemble
    from gapsack.sweep.graphs.reserve import Reserve
    from gapsack.sweep.runs.sources import find_ensemble

    path = find_ensemble(_absolute(source)).path
    chosen = Ensemble.read(path)
    place = at_way(path.parent, chosen.pool or "pool")
    bring(place)
    pool = CandidatePool.read(place, left_out=_told(notice))
    settings = {"workers": os.cpu_count() or 1, **Reserve.of(pool).options(), **options}
    told = explain_ensemble(pool, chosen, **settings)
    replace_json(path, read_json(path) | {"explanation": asdict(told)})
    return told


@reading()
def frontier(
    source: PathLike,
    *,
    out: PathLike | None = None,
    address: str | None = None,
    notice: Notice | None = None,
    control: SearchControl | None = None,
    **options: Any,
) -> Frontier:
    """Search the best ensemble of every budget at once.

    Args:
        source: a run or a pool.
        out: the frontier's file; frontier.json in the run if omitted, and none for a pool of no run.
        address: as for `ensemble`.
        notice: as for `ensemble`.
        control: as for `ensemble`.
        options: those of `ensemble` that concern all budgets, and `max_budget_bytes`.

    Raises:
        InputError: as for `ensemble`.
    """
    from gapsack.selection.files import replace_json
    from gapsack.selection.frontier import frontier as search_frontier
    from gapsack.sweep.graphs.frontiers import with_ensemble_of

    with _search(source, address, notice, control, options) as (found, candidates, settings):
        points = search_frontier(candidates, **settings)
    if found.run is not None:
        points = with_ensemble_of(points, found.run.ensemble_file, _told(notice))
    path = _place(found, out, "frontier_file")
    if path is not None:
        replace_json(path, points.to_dict())
    return points


@reading()
def build(
    source: PathLike,
    folder: PathLike | None = None,
    *,
    format: str = "savedmodel",
    settings: Mapping[str, str] | None = None,
    saturate: bool = False,
    track: bool = True,
    register: str | None = None,
    alias: str | None = None,
    advance: Advance = lambda _members: None,
) -> Built:
    """Build an ensemble as one TensorFlow graph, within its budget on disk.

    Args:
        source: a run, or an ensemble.json.
        folder: the graph's; in the run if omitted.
        format: `savedmodel`, `metagraph`, `litert`, or another that is found (`models.graph.formats`).
        settings: those of the format's own that are not to be its defaults, such as {"weights": "float32"} of LiteRT.
        saturate: clip weights beyond their precision's range and count them, rather than refuse them.
        track: record the ensemble of a run, and a SavedModel of it, in the run's MLflow (`untracked` of the result says
            why MLflow did not take it).
        register: the SavedModel becomes a new version of this model in MLflow's registry.
        alias: of that version.
        advance: gets 1 for each member that is written.

    Raises:
        InputError: there is no ensemble, it belongs to no run and `folder` is omitted, or a member has no weights; or
            what is to be registered is no SavedModel of a run that is recorded.
        GraphError: the graph would not fit the budget, or the format cannot hold it.
    """
    from gapsack.sweep.graphs.build_and_track import Writing, build_and_track, default_folder
    from gapsack.sweep.runs.sources import find_ensemble

    found = find_ensemble(_absolute(source))
    if folder is None and found.run is None:
        raise InputError(f"expected a folder for the graph of {found.path}, which belongs to no run, got none")
    writing = Writing(format, settings or {}, saturate=saturate)
    place = default_folder(found, format) if folder is None else _absolute(folder)
    return build_and_track(found, place, writing, track=track, advance=advance, register=register, alias=alias)


@reading()
def evaluate(
    graph: PathLike,
    files: Sequence[PathLike] = (),
    *,
    batch_size: int = 64,
    metric: str | Callable[..., float] | None = None,
    decode_once: bool | None = None,
    max_bad_share: float = 0.001,
    advance: Advance = lambda _videos: None,
) -> Evaluation:
    """Run a built graph on labelled data files: GAP, mean average precision and hit@1.

    Args:
        graph: a built graph of any format, or a run.
        files: data files, patterns or URLs; the run's held-out files if there are none.
        batch_size: videos that are predicted at once.
        metric: another one beside these, by name or as a function; its score is in `named` of the result.
        decode_once: decode all weights when a SavedModel is loaded: faster, for the memory of float32; None does it
            where that takes at most half of the free memory.
        max_bad_share: share of faulty records beyond which it fails.
        advance: gets the videos of each batch.

    Raises:
        InputError: there is no graph or there are no files, the files are faulty or without labels, or the metric
            cannot be computed for these.
    """
    from gapsack.sweep.graphs.serve import Job

    job = Job.prepare(
        *_graph_and_files(graph, files), batch_size=batch_size, max_bad_share=max_bad_share, decode_once=decode_once
    )
    return job.evaluate(advance, metric)


@reading()
def predict(
    graph: PathLike,
    files: Sequence[PathLike],
    out: PathLike,
    *,
    batch_size: int = 64,
    decode_once: bool | None = None,
    max_bad_share: float = 0.001,
    advance: Advance = lambda _videos: None,
) -> int:
    """Run a built graph on data files and write the challenge's CSV: VideoId,LabelConfidencePairs, 20 pairs a video.

    The arguments are those of `evaluate`, and `out` is the CSV file. The result is the number of videos.

    Raises:
        InputError: there is no graph or there are no files, or too many records are faulty.
    """
    from gapsack.sweep.graphs.serve import Job

    job = Job.prepare(
        *_graph_and_files(graph, files), batch_size=batch_size, max_bad_share=max_bad_share, decode_once=decode_once
    )
    return job.predict(to_write(out) if url_in(out) else _absolute(out), advance)


@contextmanager
def _search(
    source: PathLike,
    address: str | None,
    notice: Notice | None,
    control: SearchControl | None,
    options: Mapping[str, Any],
) -> Iterator[tuple[Source, CandidatePool, dict[str, Any]]]:
    """What both searches begin with: the pool, and their options with the graph's reserve and who evaluates."""
    from gapsack.selection.pool import CandidatePool
    from gapsack.sweep.cluster.executor import ray_executor
    from gapsack.sweep.graphs.reserve import Reserve
    from gapsack.sweep.runs.latencies import LATENCY, latencies_notice
    from gapsack.sweep.runs.sources import find_pool

    found = find_pool(_absolute(source))
    tell = _told(notice)
    candidates = CandidatePool.read(found.path, left_out=tell)
    problem = latencies_notice(candidates.candidates) if LATENCY in (options.get("limits") or {}) else None
    if problem is not None:
        tell(problem)
    workers = os.cpu_count() or 1
    with ray_executor(address) as executor, control or nullcontext({}) as further:
        reserve = Reserve.of(candidates).options()
        settings = {"workers": workers, **reserve, **options, **further, "executor": executor}
        yield found, candidates, settings


def _graph_and_files(graph: PathLike, files: Sequence[PathLike]) -> tuple[Source, list[str]]:
    from gapsack.sweep.runs.sources import find_graph

    return find_graph(_absolute(graph)), [url_in(file) or str(Path(file).expanduser()) for file in files]


def _told(notice: Notice | None) -> Notice:
    """Who is told, or a warning, in sentences that name places by their URLs."""
    tell = notice or warnings.warn
    return lambda sentence: tell(as_told(sentence))


def _place(source: Source, given: PathLike | None, in_run: str) -> Path | None:
    """Where a result goes: as given, or to its place in the run."""
    if given is not None:
        return to_write(given) if url_in(given) else _absolute(given)
    return None if source.run is None else Path(getattr(source.run, in_run))


def _absolute(path: PathLike) -> Path:
    """A path, absolute; of a URL the folder that mirrors it."""
    return place_of(path) if url_in(path) or is_mirrored(Path(path)) else Path(path).expanduser().absolute()
