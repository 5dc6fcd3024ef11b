from __future__ import annotations

import numpy as np
import pytest

from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.search import search_ensemble
from gapsack.sweep.cluster.executor import ray_executor, tasks_a_call


def small_pool() -> CandidatePool:
    rng = np.random.default_rng(0)
    truth = rng.random((80, 25)) < 0.1
    ids = np.array([f"v{i:02d}" for i in range(80)])
    models = {}
    for name, noise in (("a", 1.5), ("b", 1.7), ("c", 2.0)):
        scores = 1 / (1 + np.exp(-(2.0 * truth - 2 + noise * rng.normal(size=truth.shape))))
        models[name] = Predictions.from_dense(ids, scores)
    candidates = [Candidate(name, {"float16": 100}, lists) for name, lists in models.items()]
    return CandidatePool(Labels.from_dense(ids, truth), candidates)


def test_without_an_address_threads_evaluate() -> None:
    with ray_executor(None) as executor:
        assert executor is None


@pytest.mark.parametrize(
    ("tasks", "cpus", "size"), [(1, 16, 1), (128, 16, 2), (128, 1, 16), (10_000, 16, 16), (5, 0, 1)]
)
def test_every_worker_gets_a_part_of_a_batch(tasks: int, cpus: int, size: int) -> None:
    assert tasks_a_call(tasks, cpus) == size


@pytest.mark.slow
def test_a_cluster_finds_what_threads_find() -> None:
    from ray.cluster_utils import Cluster

    pool = small_pool()
    expected = search_ensemble(pool, budget_bytes=200).to_dict()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with ray_executor(cluster.address) as executor:
            assert search_ensemble(pool, budget_bytes=200, executor=executor).to_dict() == expected
    finally:
        cluster.shutdown()
