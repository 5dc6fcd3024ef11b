from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.selection.errors import PoolError
from gapsack.selection.pareto import inferior
from gapsack.selection.pool import Candidate, Predictions

TABLE = Path(__file__).resolve().parents[3] / "shared" / "golden" / "paper_table1.csv"
ONE_LIST = Predictions(np.array(["v"]), np.array([[0]]), np.array([[0.5]]))


def model(name, size, gap):
    return Candidate(name, {"float16": size, "float32": 2 * size}, ONE_LIST, metrics={"gap": gap})


def test_names_who_dominates():
    pool = [model("a", 10, 0.5), model("b", 20, 0.5), model("c", 15, 0.7), model("d", 30, 0.6), model("e", 40, 0.8)]
    assert inferior(pool) == {"b": "c", "d": "c"}


def test_same_size_better_score_stays_and_of_equals_the_first_name():
    pool = [model("b", 10, 0.5), model("a", 10, 0.5), model("c", 10, 0.4)]
    assert inferior(pool) == {"b": "a", "c": "a"}


def test_precision_chooses_the_size():
    pool = [
        Candidate("a", {"float32": 40, "int8": 10}, ONE_LIST, metrics={"gap": 0.5}),
        Candidate("b", {"float32": 30, "int8": 20}, ONE_LIST, metrics={"gap": 0.5}),
    ]
    assert inferior(pool, precision="int8") == {"b": "a"}
    assert inferior(pool, precision="float32") == {"a": "b"}
    with pytest.raises(PoolError, match="float16"):
        inferior(pool, precision="float16")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_agrees_with_the_pairwise_definition(rows):
    pool = [model(f"m{i:02}", size, score / 5) for i, (size, score) in enumerate(rows)]

    def beats(i, j):
        (a, x), (b, y) = rows[i], rows[j]
        return (a < b and x >= y) or (a == b and x > y) or (a == b and x == y and i < j)

    expected = {f"m{j:02}" for j in range(len(rows)) if any(beats(i, j) for i in range(len(rows)) if i != j)}
    dropped = inferior(pool)
    assert set(dropped) == expected
    assert not set(dropped.values()) & set(dropped)


@pytest.mark.skipif(not TABLE.exists(), reason="the shared golden data is not beside the checkout")
def test_the_papers_eighteen_models_are_all_on_the_frontier_but_for_its_tie():
    with TABLE.open() as file:
        rows = list(csv.DictReader(file))
    pool = [
        model(row["code"], round(float(row["float16_mib"]) * 2**20), float(row["gap_averaged_checkpoint"]))
        for row in rows
    ]
    # H and K share a printed GAP of 0.8717; with four digits the larger one of them is inferior.
    assert inferior(pool) == {"H": "K"}


def test_a_missing_score_is_named():
    with pytest.raises(PoolError, match=r"candidate x.*'gap'"):
        inferior([Candidate("x", {"float32": 1}, ONE_LIST)])
