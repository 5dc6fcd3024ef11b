"""A sweep on a Ray cluster of several nodes, each with processes of its own, whose nodes die and come."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ray_nodes import ray_nodes
from gapsack.sweep.runs.folder import RunFolder

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

HERE = Path(__file__).parents[1]


@pytest.fixture
def nodes(tmp_path):
    with ray_nodes(tmp_path / "cluster.log") as cluster:
        yield cluster


def wait_for_progress(process, name, step):
    for line in process.stderr:
        if line.startswith(f"progress {name} ") and int(line.split()[2]) >= step:
            return
    pytest.fail(f"{name} never came to step {step}")


def test_a_node_that_dies_costs_no_retry_and_a_trial_that_another_attempt_has_is_left_to_it(nodes, tmp_path):
    nodes.add()
    behaviour = {"steps": 60, "seconds": 0.1, "address": nodes.address, "resources": {"retries": 0}}
    behaviour["die_done"] = {"K2-H16": 1}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "fake_sweep.py"), str(tmp_path / "run"), json.dumps(behaviour)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    run = RunFolder(tmp_path / "run")
    try:
        wait_for_progress(process, "K2-H8", 5)
        nodes.kill()
        nodes.add()
        wait_for_progress(process, "K4-H16", 5)
        # As a node does that Ray took for dead: an attempt that this sweep knows nothing of.
        run.trial("K4-H16").begin({"point": {"axes": {"clusters": 4, "hidden": 16}}})
        out, error = process.communicate(timeout=400)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    assert process.returncode == 0, error
    result = json.loads(out)
    assert (result["done"], result["failed"]) == (["K2-H8", "K2-H16", "K4-H8"], {})
    assert result["unfinished"] == ["K4-H16"]
    assert "notice attempt 1 at K4-H16 ends: attempt 2, process " in error
    assert run.trial("K4-H16").checkpoints.exists()
    attempts = [line.split() for line in (tmp_path / "attempts").read_text().splitlines()]
    steps = {name: [int(line[2]) for line in attempts if line[0] == name] for name in ("K2-H8", "K2-H16")}
    assert steps["K2-H8"][0] == 0
    assert steps["K2-H8"][-1] >= 5, "it went on from its checkpoint"
    assert steps["K2-H16"] == [0], "the second attempt found the record of the first"
    assert (run.trial("K2-H16").path / "attempt-2.json").exists()
