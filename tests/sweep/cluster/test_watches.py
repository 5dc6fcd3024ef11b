"""What is looked at every few seconds while trials run, by a clock of our own."""

from __future__ import annotations

import socket

import pytest
from ray import cloudpickle

from gapsack.sweep.cluster import watches
from gapsack.sweep.cluster.nodes import ClusterNode
from gapsack.sweep.cluster.watches import GoneNodes, NodeWatch, Waiting


class Told:
    """A trial of Tune's, by its state."""

    def __init__(self, status, cpus):
        self.status, self.config = status, {"cpus": cpus}


class Needs:
    def largest(self, points):
        return {"CPU": max(point["cpus"] for point in points)}


@pytest.fixture
def now(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(watches.time, "monotonic", lambda: now[0])
    return now


def test_what_waits_for_a_node_is_told_every_minute(now):
    told = []
    waiting = Waiting(told.append, Needs(), lambda: [{"CPU": 2.0}])
    for second in range(0, 200, 10):
        now[0] = float(second)
        waiting.on_step_begin(0, [Told("PENDING", 4), Told("PENDING", 1), Told("RUNNING", 8)])
    assert [notice.text for notice in told] == [
        "2 trials wait for a node while 1 run: 4 CPUs asked for and 2 on any of 1 nodes"
    ] * 3
    now[0] = 300.0
    waiting.on_step_begin(0, [Told("PENDING", 1)])
    assert told[-1].text == "1 trials wait for a node while 0 run: the nodes are taken"
    now[0] = 400.0
    waiting.on_step_begin(0, [Told("RUNNING", 1)])
    assert len(told) == 4


def test_a_node_that_goes_is_told_once_with_rays_reason(now):
    told, living, gone = [], ClusterNode("1", "a", "10.0.0.1"), ClusterNode("2", "b", "10.0.0.2", alive=False)
    states = [
        [living, ClusterNode("2", "b", "10.0.0.2"), ClusterNode("0", "old", "10.0.0.9", alive=False)],
        [living, ClusterNode("2", "b", "10.0.0.2", alive=False, end="health check failed")],
        [ClusterNode("1", "a", "10.0.0.1", alive=False), gone],
    ]
    watch = GoneNodes(told.append, lambda: states[int(now[0] // 3)])
    for second in range(9):
        now[0] = float(second)
        watch.on_step_begin(0, [])
    assert [notice.text for notice in told] == [
        "The node b (10.0.0.2) is gone: health check failed",
        "The node a (10.0.0.1) is gone",
    ]


def test_one_machine_without_its_node_ends_the_process(now, monkeypatch):
    looks = []
    monkeypatch.setattr(watches, "end_without_node", lambda: looks.append(now[0]))
    watch = NodeWatch()
    for second in (0.0, 1.0, 2.9, 3.0, 5.0, 6.5):
        now[0] = second
        watch.on_step_begin(0, [])
    assert looks == [0.0, 3.0, 6.5]


def test_what_tune_pickles_of_them_has_no_connection():
    with socket.socket() as connection:  # which cannot be pickled
        cloudpickle.loads(cloudpickle.dumps(Waiting(connection.send, Needs(), list)))
