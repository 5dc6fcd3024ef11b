from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.selection import gap
from gapsack.selection.errors import InputError
from gapsack.selection.gap import gap_at_k, gap_of_lists
from gapsack.selection.pool import Labels, Predictions

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden" / "official_gap.npz"


def naive_gap(scores, labels, k):
    """The definition, pair by pair: every video's k best, the pool sorted, incorrect first among equals."""
    pool = []
    for row, correct in zip(scores, labels, strict=True):
        pairs = sorted(zip(-row, correct, strict=True))[:k]
        pool.extend(pairs)
    pool.sort()
    total, found = 0.0, 0
    for rank, (_, correct) in enumerate(pool, start=1):
        if correct:
            found += 1
            total += found / rank
    return total / labels.sum() if labels.sum() else 0.0


@pytest.mark.skipif(not GOLDEN.exists(), reason="the shared golden data is not beside the checkout")
def test_equals_the_challenges_own_calculator():
    golden = np.load(GOLDEN)
    for i in range(int(golden["count"])):
        labels = np.unpackbits(golden[f"y{i}"], axis=1)[:, : int(golden[f"c{i}"])].astype(bool)
        scores = golden[f"p{i}"]
        assert gap_at_k(scores, labels) == pytest.approx(float(golden[f"gap{i}"]), abs=1e-9)
        ids = [str(v) for v in range(len(scores))]
        lists = Predictions.from_dense(ids, scores, k=20)
        of_lists = gap_of_lists(lists.top_indices, lists.top_scores, Labels.from_dense(ids, labels))
        assert of_lists == pytest.approx(float(golden[f"gap{i}"]), abs=1e-9)


@st.composite
def scored_videos(draw):
    """Small score tables of few distinct values, so that ties are everywhere."""
    videos, classes = draw(st.integers(1, 8)), draw(st.integers(1, 9))
    levels = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scores = rng.integers(0, levels, (videos, classes)) / max(levels - 1, 1)
    return scores, rng.random((videos, classes)) < 0.3, draw(st.integers(1, 10)), rng


@settings(max_examples=300, deadline=None)
@given(scored_videos())
def test_agrees_with_the_definition_and_ignores_the_order_of_videos_and_classes(case):
    scores, labels, k, rng = case
    value = gap_at_k(scores, labels, k)
    assert value == pytest.approx(naive_gap(scores, labels, k), abs=1e-12)
    videos, classes = rng.permutation(scores.shape[0]), rng.permutation(scores.shape[1])
    shuffled = np.ix_(videos, classes)
    assert gap_at_k(scores[shuffled], labels[shuffled], k) == value


@settings(max_examples=200, deadline=None)
@given(scored_videos())
def test_a_tie_never_gains_over_any_way_to_break_it(case):
    scores, labels, k, rng = case
    broken = scores + rng.random(scores.shape) * 1e-6
    assert gap_at_k(scores, labels, k) <= gap_at_k(broken, labels, k) + 1e-12


@settings(max_examples=200, deadline=None)
@given(scored_videos())
def test_full_lists_give_the_dense_value(case):
    scores, labels, k, _ = case
    ids = [str(v) for v in range(len(scores))]
    lists = Predictions.from_dense(ids, scores, k=scores.shape[1])
    of_lists = gap_of_lists(lists.top_indices, lists.top_scores, Labels.from_dense(ids, labels), k)
    assert of_lists == pytest.approx(gap_at_k(scores, labels, k), abs=1e-12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gap, "CHUNK_VIDEOS", 2)
        assert gap_of_lists(lists.top_indices, lists.top_scores, Labels.from_dense(ids, labels), k) == of_lists


def test_labels_outside_the_top_k_count_in_the_denominator():
    assert gap_at_k([[0.9, 0.8, 0.7]], [[True, False, True]], k=1) == 0.5


def test_no_labels_at_all_score_zero():
    assert gap_at_k([[0.9, 0.8]], [[False, False]]) == 0.0


@pytest.mark.parametrize(
    ("scores", "labels", "k", "message"),
    [
        ([[0.1, 0.2]], [[True]], 20, r"\(1, 2\) and \(1, 1\)"),
        ([0.1, 0.2], [True, False], 20, r"\[items, classes\]"),
        ([[np.nan, 0.2]], [[True, False]], 20, "NaN in 1"),
        ([[0.1, 0.2]], [[True, False]], 0, "got 0"),
    ],
)
def test_bad_input_is_one_clear_sentence(scores, labels, k, message):
    with pytest.raises(InputError, match=message):
        gap_at_k(scores, labels, k)
