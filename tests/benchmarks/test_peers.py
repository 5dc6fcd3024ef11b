from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peer_code
from benchmarks.peer_code import ACCURACY, GAP, LOG_LOSS, PEERS, Given, Peer, answers, given_of, tried_out
from benchmarks.peers import (
    BAGGED,
    GREEDY,
    HALF,
    NO_BUDGET,
    Choice,
    Task,
    difference,
    judged,
    rows_of,
    run_peers,
    text_of,
    write,
)
from benchmarks.scorer import dense_gap
from benchmarks.small_sets import Part, Small
from gapsack.selection.gap import gap_at_k


def choice(method: str, data_set: str, split: int, held_out: float) -> Choice:
    return Choice("twins", data_set, split, GAP, NO_BUDGET, method, held_out, 0.5)


def small(seed: int = 0) -> Small:
    """Three models of four classes, the first of them the best."""
    rng = np.random.default_rng(seed)

    def part(items: int) -> Part:
        labels = np.eye(4, dtype=bool)[rng.integers(0, 4, items)]
        noise = rng.dirichlet(np.ones(4), (3, items))
        shares = np.array([0.5, 0.3, 0.1])[:, None, None]
        return Part((shares * labels + (1 - shares) * noise).astype(np.float32), labels)

    return Small("made", part(60), part(200), np.array([100, 60, 40]))


@pytest.mark.parametrize("seed", range(5))
def test_gap_of_dense_scores_is_the_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((40, 30)).round(2)  # with ties
    labels = rng.random((40, 30)) < 0.1
    assert dense_gap(scores, labels) == pytest.approx(gap_at_k(scores, labels), abs=1e-12)
    assert dense_gap(scores, np.zeros_like(labels)) == 0.0


def test_differences_are_paired_and_counted_by_data_set() -> None:
    theirs = {("a", 0): 0.5, ("a", 1): 0.9, ("b", 0): 0.5, ("b", 1): 0.5, ("c", 0): 0.7, ("c", 1): 0.7}
    leads = {("a", 0): 0.1, ("a", 1): 0.12, ("b", 0): -0.1, ("b", 1): -0.1, ("c", 0): 0.1, ("c", 1): -0.1}
    choices = [choice("peer", *key, score) for key, score in theirs.items()]
    choices += [choice("ours", *key, theirs[key] + lead) for key, lead in leads.items()]
    choices += [choice(BAGGED, *key, score + 0.01 * (1 + key[1])) for key, score in theirs.items()]
    found = difference(choices, "ours", "peer")
    assert (found.ahead, found.behind, found.cases) == (1, 1, 3)
    values = np.array(list(leads.values()))
    assert found.mean == pytest.approx(values.mean())
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(6))
    row, of_bagged = rows_of(choices)
    assert row[3:5] == ["peer", "6"]
    ours, bagged = f"{values.mean():+.5f} ± {found.error:.5f}", f"+0.01500 ± {0.01 * np.sqrt(0.3 / 6):.5f}"
    assert row[6:] == [ours, "1 / 1 of 3", bagged, "3 / 0", "500", "500"]
    assert (of_bagged[3], of_bagged[8:10]) == (BAGGED, ["", ""])


def test_one_split_has_no_error_and_counts_for_nobody() -> None:
    found = difference([choice("ours", "a", 0, 0.9), choice("peer", "a", 0, 0.1)], "ours", "peer")
    assert (found.ahead, found.behind, found.error) == (0, 0, np.inf)


@pytest.mark.parametrize("metric", [GAP, LOG_LOSS, ACCURACY])
def test_weights_are_judged_on_items_that_did_not_choose(metric: str, tmp_path) -> None:
    task = Task("made", "made", 0, metric, small())
    write(task, tmp_path)
    given = given_of(tmp_path / f"{task.name}.npz")
    assert given.metric == metric
    np.testing.assert_array_equal(given.scores, task.small.choose.scores)
    theirs = {"peer": {"weights": [0.0, 0.0, 1.0], "cpu_seconds": 0.25}}
    found = judged(task, theirs)
    peer = found[0]
    scores, labels = task.small.judge.scores[2], task.small.judge.labels
    alone = {
        GAP: gap_at_k(scores, labels),
        LOG_LOSS: np.log(scores[labels].astype(float)).mean(),
        ACCURACY: (scores.argmax(axis=1) == labels.argmax(axis=1)).mean(),
    }
    assert (peer.method, peer.budget, peer.cpu_seconds) == ("peer", NO_BUDGET, 0.25)
    assert peer.held_out == pytest.approx(alone[metric], abs=1e-6)
    assert [(each.method, each.budget) for each in found[1:]] == [
        (name, budget) for budget in (NO_BUDGET, HALF) for name in ("ours", "ours, best score", BAGGED, GREEDY)
    ]
    assert all(each.held_out > peer.held_out for each in found[1:])  # the last model is by far the worst


def test_a_peer_that_is_not_there_takes_no_part_and_is_named(monkeypatch) -> None:
    def broken(given: Given) -> np.ndarray:
        raise ImportError("no module that it needs")

    def fine(given: Given) -> np.ndarray:
        return np.full(given.count, 1 / given.count)

    def version(package: str) -> str:
        if package == "absent":
            raise PackageNotFoundError(package)
        return "1.2"

    monkeypatch.setattr(peer_code, "version", version)
    monkeypatch.setattr(
        peer_code, "PEERS", {"A": Peer("absent", fine), "B": Peer("here", broken), "C": Peer("here", fine, (GAP,))}
    )
    told = tried_out()
    assert told == {
        "A": {"missing": "A takes no part: absent is not installed."},
        "B": {"missing": "B takes no part: here cannot be imported (no module that it needs)."},
        "C": {"version": "here 1.2"},
    }
    part = small().choose
    given = Given(part.scores, part.labels, GAP)
    assert answers(given, ["C"])["C"]["weights"] == pytest.approx([1 / 3] * 3)
    assert answers(Given(part.scores, part.labels, LOG_LOSS), ["C"]) == {}
    choices = [choice(method, "a", 0, score) for method, score in (("ours", 0.9), (BAGGED, 0.9), ("peer", 0.1))]
    text = text_of(choices, told)
    assert text.endswith("here 1.2\nA takes no part: absent is not installed.\n" + told["B"]["missing"])


def test_every_peer_says_what_package_it_comes_with() -> None:
    assert {peer.package for peer in PEERS.values()} == {"autogluon.core", "tabarena", "phem", "mljar-supervised"}


def test_peers_run_in_an_environment_of_their_own(tmp_path) -> None:
    task = Task("made", "made", 0, LOG_LOSS, small())
    write(task, tmp_path)
    told = run_peers(Path(sys.executable), tmp_path)  # where none need be installed
    assert set(told) == set(PEERS)
    there = {name for name, each in told.items() if "version" in each}
    assert set(json.loads((tmp_path / f"{task.name}.json").read_text())) == there
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(SystemExit, match="failed under"):
        run_peers(Path(sys.executable), tmp_path)
