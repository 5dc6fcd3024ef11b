"""Which nodes of a cluster are looked at, and which are left out, by the answers that they give."""

from __future__ import annotations

import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster import node_check
from gapsack.sweep.cluster.node_check import unfit_nodes
from gapsack.sweep.cluster.nodes import ClusterNode, elsewhere
from gapsack.sweep.cluster.probe import Question

ASKED = Question("1", "0", "tensorflow")


def node(name, *, alive=True, **resources):
    return ClusterNode(f"id-{name}", name, f"10.0.0.{name[-1]}", alive, resources)


class Check:
    """A cluster of nodes, and what is told of it."""

    def __init__(self, monkeypatch, *nodes):
        monkeypatch.setattr(node_check, "cluster_nodes", lambda: list(nodes))
        self.asked = []
        self.told = []

    def run(self, problems, needed, *, wait=True):
        def answers(nodes, _question):
            self.asked = [each.name for each in nodes]
            return {f"id-{name}": problem for name, problem in problems.items()}

        found = unfit_nodes(ASKED, needed, address="head:1", wait=wait, tell=self.told.append, answers=answers)
        return [each.host for each in found]


def test_a_bad_node_is_named_and_left_out(monkeypatch):
    check = Check(monkeypatch, node("w1", CPU=2.0), node("w2", CPU=2.0), node("w3", alive=False, CPU=2.0))
    assert check.run({"w2": "it has gapsack 0, and the driver 1"}, {"CPU": 1.0}) == ["w2"]
    assert check.asked == ["w1 (10.0.0.1)", "w2 (10.0.0.2)"]
    assert [notice.text for notice in check.told] == [
        "No trial goes to the node w2 (10.0.0.2): it has gapsack 0, and the driver 1"
    ]


def test_all_good_nodes_are_a_silence(monkeypatch):
    check = Check(monkeypatch, node("w1", CPU=2.0))
    assert check.run({}, {"CPU": 1.0}) == []
    assert check.told == []
    assert elsewhere([]) is None


def test_nodes_that_could_take_no_trial_are_not_asked(monkeypatch):
    """A head without CPUs needs no data; with GPUs asked for, nor do nodes without."""
    nodes = node("h1"), node("w2", CPU=2.0), node("w3", CPU=2.0, GPU=1.0), node("w4", CPU=2.0, GPU=1.0, memory=8.0)
    check = Check(monkeypatch, *nodes)
    check.run({}, {"CPU": 1.0, "GPU": 0.5, "memory": 4.0})
    assert check.asked == ["w4 (10.0.0.4)"]


def test_without_a_good_node_the_sweep_does_not_start(monkeypatch):
    check = Check(monkeypatch, node("w1", CPU=2.0), node("w2", CPU=2.0))
    with pytest.raises(InputError) as refused:
        check.run({"w1": "no data", "w2": "no GPU"}, {"CPU": 1.0})
    assert str(refused.value) == (
        "expected nodes at head:1 that can train this sweep's trials, got w1 (10.0.0.1): no data; w2 (10.0.0.2): no GPU"
    )


def test_where_the_rest_is_too_small_it_waits_or_does_not_start(monkeypatch):
    check = Check(monkeypatch, node("w1", CPU=2.0, GPU=0.5), node("w2", CPU=2.0, GPU=1.0))
    assert check.run({"w2": "no data"}, {"CPU": 1.0, "GPU": 1.0}, wait=True) == ["w2"]
    with pytest.raises(InputError, match=r"got w2 \(10.0.0.2\): no data"):
        check.run({"w2": "no data"}, {"CPU": 1.0, "GPU": 1.0}, wait=False)


def test_a_cluster_that_grows_from_none_has_nothing_to_check(monkeypatch):
    check = Check(monkeypatch, node("h1"))
    assert check.run({}, {"CPU": 1.0}) == []
    assert check.asked == []
