"""A sweep on a cluster of several nodes, each with processes of its own, one of which has another gapsack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "fake_sweep.py"


@pytest.fixture
def other_gapsack(tmp_path: Path) -> Path:
    """A folder where an older gapsack is found, of which nothing but its version is left."""
    package = tmp_path / "older" / "gapsack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0.0.1"\n', encoding="utf-8")
    return package.parent


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ends_are_told_with_their_node_and_a_node_with_another_gapsack_is_left_out(tmp_path, other_gapsack):
    from ray.cluster_utils import Cluster

    behaviour = {"steps": 6, "seconds": 0.3, "die": {"K2-H8": 1}}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    lines = []
    try:
        good = cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(other_gapsack)})
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(tmp_path / "run"), json.dumps({**behaviour, "address": cluster.address})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in process.stderr:
            lines.append(line.strip())
            if line.startswith("progress K2-H16 1"):
                cluster.remove_node(good, allow_graceful=False)
                cluster.add_node(num_cpus=1)  # which joins late, and is looked at by the trials that it gets
        result, _ = process.communicate(timeout=60)
    finally:
        cluster.shutdown()

    assert process.returncode == 0, lines
    assert json.loads(result)["done"] == ["K2-H8", "K2-H16", "K4-H8", "K4-H16"]
    told = [line for line in lines if line.startswith(("notice", "retried"))]
    where = rf"\w+ \({re.escape(good.node_ip_address)}\)"
    assert re.fullmatch(rf"notice No trial goes to the node {where}: it has gapsack 0.0.1, and the driver .*", told[0])
    [killed] = [line for line in told if line.startswith("retried K2-H8")]
    assert re.search(rf"the worker process on {where} died \(killed .*\); Ray says SYSTEM_ERROR", killed)
    [cut] = [line for line in told if line.startswith("retried K2-H16")]
    assert re.search(rf"the connection to the worker on {where} was lost|the node {where} is gone", cut)
    assert any(re.match(rf"notice The node {where} is gone: ", line) for line in told), told
