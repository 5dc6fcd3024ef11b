from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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


SLOW_METRIC = """
import os, pathlib, time
import numpy as np

def slowly(scores, labels):
    pathlib.Path("MARKS", str(os.getpid())).touch()
    time.sleep(0.02)
    return float(np.sum(scores.multiply(labels)))
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of its own processes on this machine."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster.address
    cluster.shutdown()


@pytest.mark.long
def test_a_cluster_finds_what_threads_find(address: str) -> None:
    pool = small_pool()
    expected = search_ensemble(pool, budget_bytes=200).to_dict()
    with ray_executor(address) as executor:
        assert search_ensemble(pool, budget_bytes=200, executor=executor).to_dict() == expected


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_search_on_a_cluster_returns_the_best_so_far(
    address: str, tmp_path: Path, number: signal.Signals
) -> None:
    """In a process that had imported Ray it would meet Ray's own handler."""
    small_pool().write(tmp_path / "pool")
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "metric.py").write_text(SLOW_METRIC.replace("MARKS", str(marks)))
    words = f"select ensemble pool --budget-mb 1 --metric metric.py:slowly --address {address} --out found.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "gapsack", *words.split(), "--exhaustive"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while {mark.name for mark in marks.iterdir()} <= {str(process.pid)}:  # until a worker evaluates
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "Stopping with the best so far" in said
    assert json.loads((tmp_path / "found.json").read_text())["members"]
