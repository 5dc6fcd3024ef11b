"""A trial looks at the machine that it is on before it trains: it may have joined after the nodes were checked."""

from __future__ import annotations

from functools import cache

from gapsack.selection.errors import GapsackError
from gapsack.sweep.cluster import probe
from gapsack.sweep.cluster.worker import TrialFunction
from gapsack.sweep.errors import UnfitNodeError
from gapsack.sweep.runs.devices import gpu_count
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.trial.control import Control


def on_fit_node(function: TrialFunction, asked: probe.Question, *, on_cluster: bool) -> TrialFunction:
    """`function`, which first raises what keeps its machine from training as the driver would have it.

    On a cluster that is an UnfitNodeError, so that another node gets the next attempt. On one machine it is a
    GapsackError; there the driver's own files and packages are the trial's.
    """

    def trial(spec: TrialSpec, control: Control) -> TrialResult:
        found = node_problem(asked, on_cluster=on_cluster)
        if found is not None:
            raise UnfitNodeError(found) if on_cluster else GapsackError(found)
        return function(spec, control)

    return trial


def node_problem(asked: probe.Question, *, on_cluster: bool) -> str | None:
    """What keeps this process from training; None where nothing does."""
    if on_cluster:
        found = [*_package_problems(asked.version, asked.sources, asked.backend), *probe.data_problems(asked)]
        if found:
            return f"a trial cannot be trained on this node: {found[0]}"
    lacking = probe.gpu_problem(asked.backend, gpu_count(asked.backend)) if asked.gpu else None
    return None if lacking is None else f"the trial asks for a GPU (resources.gpus), but {lacking}"


@cache
def _package_problems(version: str, sources: str, backend: str) -> list[str]:
    """Of a worker, which trains one trial after the other."""
    return probe.package_problems(probe.Question(version, sources, backend))
