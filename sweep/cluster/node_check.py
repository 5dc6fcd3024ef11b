"""The nodes of a cluster are looked at before a sweep: those that cannot train its trials are named and left out.

Importing this module imports Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster import probe
from gapsack.sweep.cluster.messages import SweepNotice
from gapsack.sweep.cluster.nodes import ClusterNode, cluster_nodes
from gapsack.sweep.cluster.ray import shortage
from gapsack.sweep.cluster.reasons import reason_of
from gapsack.sweep.data.parts import files_of
from gapsack.sweep.data.storage.files import is_local
from gapsack.sweep.runs.spec import SweepSpec

ANSWER_SECONDS = 180.0
"""How long a node may take to start a process and look; where GPUs are asked for, so much longer as these may take."""


def question_of(sweep: SweepSpec, *, backend: str, gpu: bool, on_cluster: bool) -> probe.Question:
    """What machines are held against: this one, from which the sweep was started.

    Where that is the only one, GPUs are all that is to be asked for.
    """
    if not on_cluster:
        return probe.Question("", "", backend, gpu)
    files = [*files_of(sweep.train_files), *files_of(sweep.holdout_files)]
    asked = probe.here([path for path in files if is_local(path)], backend=backend, gpu=gpu)
    return replace(asked, storage=sweep.url or str(sweep.run.path), witness=sweep.witness or "")


def unfit_nodes(
    asked: probe.Question,
    needed: Mapping[str, float],
    *,
    address: str,
    wait: bool,
    tell: Callable[[SweepNotice], None],
    answers: Callable[[Sequence[ClusterNode], probe.Question], Mapping[str, str]] | None = None,
) -> list[ClusterNode]:
    """The nodes that no trial may go to, each of which is told.

    Those that could take no trial anyway, as a head without CPUs, are not looked at.

    Args:
        asked: what nodes are held against.
        needed: the most that a trial needs of each kind, by Ray's names.
        address: the cluster's.
        wait: whether a node that is large enough may still come.
        tell: gets what a person should know.
        answers: looks at nodes; `node_problems` if omitted.

    Raises:
        InputError: without these nodes there is none, or none that is large enough for a trial.
    """
    nodes = [node for node in cluster_nodes() if node.alive and _takes_trials(node, needed)]
    problems = (answers or node_problems)(nodes, asked)
    unfit = [node for node in nodes if node.node_id in problems]
    fit = [node.resources for node in nodes if node.node_id not in problems]
    told = [f"{node.name}: {problems[node.node_id]}" for node in unfit]
    if unfit and (not fit or (not wait and shortage(needed, fit) is not None)):
        raise InputError(f"expected nodes at {address} that can train this sweep's trials, got {'; '.join(told)}")
    for sentence in told:
        tell(SweepNotice(f"No trial goes to the node {sentence}"))
    return unfit


def node_problems(nodes: Sequence[ClusterNode], asked: probe.Question) -> dict[str, str]:
    """What keeps nodes from training, by their ids; all are asked at once, for none of their CPUs and GPUs."""
    limit = ANSWER_SECONDS + (probe.GPU_SECONDS if asked.gpu else 0)
    # As code: a node may have no gapsack, or another one.
    cloudpickle.register_pickle_by_value(probe)
    try:
        look = ray.remote(num_cpus=0, max_retries=0)(probe.all_problems)
        calls = {
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)).remote(
                asked
            ): node
            for node in nodes
        }
    finally:
        cloudpickle.unregister_pickle_by_value(probe)
    answered, silent = ray.wait(list(calls), num_returns=len(calls), timeout=limit) if calls else ([], [])
    found = {calls[call].node_id: f"it did not answer within {limit:g} seconds" for call in silent}
    for call in answered:
        node = calls[call]
        try:
            problems = ray.get(call)
        except Exception as error:  # of Ray, or raised there: a node that cannot say how it is is unfit
            problems = [reason_of(error, str(error), node)]
        if problems:
            found[node.node_id] = problems[0]
    return found


def _takes_trials(node: ClusterNode, needed: Mapping[str, float]) -> bool:
    """Whether a node is large enough for some trial: these differ in the share of a GPU alone."""
    smallest = {name: amount for name, amount in needed.items() if name != "GPU"}
    has_gpu = node.resources.get("GPU", 0) > 0 or not needed.get("GPU", 0)
    return has_gpu and shortage(smallest, [node.resources]) is None
