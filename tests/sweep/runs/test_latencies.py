"""A limit on latency: the members' sum, and a warning where machines differ."""

from __future__ import annotations

import numpy as np
import pytest

from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.sweep import api


@pytest.fixture
def pool(tmp_path):
    """Makes a pool of three models whose errors are their own: pool(("here", "there", None))."""

    def make(machines):
        rng = np.random.default_rng(0)
        ids = [f"v{number:03}" for number in range(200)]
        truth = rng.random((200, 30)) < 0.1
        candidates = []
        for number, machine in enumerate(machines):
            scores = 1 / (1 + np.exp(3 - 4 * truth - 2 * rng.normal(size=truth.shape)))
            metrics = {"flops": 100} if machine is None else {"flops": 100, "latency_measured_on": machine}
            lists = Predictions.from_dense(ids, scores, 20)
            candidates.append(Candidate(f"m{number}", {"float16": 1000}, lists, metrics={**metrics, "latency_ms": 8.0}))
        CandidatePool(Labels.from_dense(ids, truth), candidates).write(tmp_path / "pool")
        return tmp_path / "pool"

    return make


def test_members_latencies_add_up_and_different_machines_are_told(pool):
    told = []
    found = api.ensemble(
        pool(("a GPU on one", "a GPU on two", None)),
        budget_mib=1,
        limits={"latency_ms": 20, "flops": 250},
        folds=1,
        prefer="score",
        notice=told.append,
    )
    assert len(found.members) == 2
    assert told == ["latency_ms was measured on different machines, and does not compare: a GPU on one; a GPU on two."]


def test_one_machine_or_no_limit_on_latency_needs_no_warning(pool):
    told = []
    folder = pool(("a GPU on one", "a GPU on one", None))
    api.ensemble(folder, budget_mib=1, limits={"latency_ms": 8}, folds=1, notice=told.append)
    with pytest.raises(InputError, match="a budget on energy needs a number"):
        api.ensemble(folder, budget_mib=1, limits={"energy": 8}, folds=1, notice=told.append)
    assert told == []
