"""A sweep on a cluster of several nodes, each with processes of its own, one of which lacks something."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "fake_sweep.py"


@pytest.fixture
def other_gapsack(tmp_path: Path) -> Path:
    """A folder where an older gapsack is found, of which nothing but its version is left."""
    package = tmp_path / "older" / "gapsack"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "0.0.1"\n', encoding="utf-8")
    return package.parent


def swept(place: str, behaviour: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """A sweep of the script's, with its run at `place`, in a process of its own."""
    command = [sys.executable, str(SCRIPT), place, json.dumps(behaviour)]
    return subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_node_with_another_gapsack_is_left_out_and_a_killed_worker_is_told_with_its_node(tmp_path, other_gapsack):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        good = cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(other_gapsack)})
        behaviour = {"steps": 3, "seconds": 0.05, "die": {"K2-H8": 1}, "address": cluster.address}
        done = swept(str(tmp_path / "run"), behaviour)
    finally:
        cluster.shutdown()

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == ["K2-H8", "K2-H16", "K4-H8", "K4-H16"]
    told = [line for line in done.stderr.splitlines() if line.startswith(("notice No trial", "retried"))]
    where = rf"\S+ \({re.escape(good.node_ip_address)}\)"
    assert len(told) == 2, told
    assert re.fullmatch(rf"notice No trial goes to the node {where}: it has gapsack 0.0.1, and the driver .*", told[0])
    killed = rf"retried K2-H8: the worker process on {where} died \(killed from .*\); Ray says SYSTEM_ERROR; .*"
    assert re.fullmatch(killed, told[1])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_node_that_does_not_reach_the_runs_bucket_is_named_and_left_out(tmp_path, s3, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    url = f"{s3.bucket}nodes/run"
    try:
        cluster.add_node(num_cpus=1)
        cluster.add_node(num_cpus=1, env_vars={"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"})
        behaviour = {"steps": 2, "seconds": 0.05, "address": cluster.address, "notes": str(tmp_path)}
        done = swept(url, behaviour)
    finally:
        cluster.shutdown()

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == ["K2-H8", "K2-H16", "K4-H8", "K4-H16"]
    [told] = [line for line in done.stderr.splitlines() if line.startswith(("notice", "retried"))]
    assert re.fullmatch(
        rf"notice No trial goes to the node \S+ \(.*\): it cannot work at {url}: "
        rf"expected {url}/witness to answer, got none for .* seconds: .*127\.0\.0\.1:9.*",
        told,
    )
