"""Addresses of clusters, and being a job of one."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.address import checked_address
from gapsack.sweep.cluster.ray import within_job
from gapsack.sweep.cluster.ray_map import ray_map
from gapsack.sweep.cluster.session import JOB_CONFIG
from gapsack.sweep.grid.schema import Resources


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_what_answers_may_be_a_cluster(listening):
    assert checked_address(listening) == listening
    assert checked_address("auto") == "auto"


def test_where_nothing_answers_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(InputError, match=f"head of a Ray cluster at {address}, where nothing answers"):
        checked_address(address)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ray://head:10001", "on a node of the cluster with --address auto, or as a job"),
        ("http://head:8265", "expected auto or HOST:PORT"),
        ("head", "such as 10.0.0.1:6379, got head"),
        ("head:port", "such as 10.0.0.1:6379, got head:port"),
        (":6379", "such as 10.0.0.1:6379, got :6379"),
        ("head:70000", "such as 10.0.0.1:6379, got head:70000"),
        ("local", "without --address, Ray runs on this machine"),
    ],
)
def test_other_addresses_are_told_what_to_do_instead(address, told):
    with pytest.raises(InputError, match=told):
        checked_address(address)


def test_a_jobs_working_folder_stays():
    ours = {"working_dir": "/empty", "env_vars": {"A": "1"}}
    assert within_job(ours, {}) == ours
    assert within_job(ours, {JOB_CONFIG: json.dumps({"runtime_env": None})}) == ours
    job = {JOB_CONFIG: json.dumps({"runtime_env": {"working_dir": "gcs://package.zip"}})}
    assert within_job(ours, job) == {"env_vars": {"A": "1"}}


def environment_of(_shared: object, name: str) -> str | None:
    """A variable in a worker."""
    return os.environ.get(name)


JOB = {"runtime_env": {"env_vars": {"OF_THE_JOB": "theirs", "OMP_NUM_THREADS": "64"}}, "metadata": {"job": "a job"}}


@pytest.mark.long
@pytest.mark.parametrize("on_a_cluster", [True, False])
def test_workers_of_a_job_have_its_variables_and_ours(monkeypatch, on_a_cluster):
    """Ray refuses to join a job's environment with another that has the same variable; here it must not."""
    from ray.cluster_utils import Cluster

    names = ["OF_THE_JOB", "OMP_NUM_THREADS"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv(JOB_CONFIG, json.dumps(JOB))
    if not on_a_cluster:  # a job's environment is its cluster's, and no reason to fail on this machine
        with ray_map(None, Resources()) as mapped:
            assert list(mapped(environment_of, None, names)) == [None, "1"]
        return
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        with ray_map(cluster.address, Resources()) as mapped:
            assert list(mapped(environment_of, None, names)) == ["theirs", "1"]
    finally:
        cluster.shutdown()
