from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.selection.errors import PoolError
from gapsack.selection.pool import Predictions
from gapsack.selection.pool import lists as lists_module


def test_dense_scores_are_cut_with_the_lower_class_first_among_equals():
    scores = np.array([[0.5, 0.9, 0.5, 0.5, 0.0]])
    cut = Predictions.from_dense(["v"], scores, k=3)
    assert cut.top_indices.tolist() == [[1, 0, 2]]
    assert cut.top_scores.tolist() == [[np.float32(0.9), 0.5, 0.5]]


def test_dense_cut_equals_a_full_sort():
    scores = np.random.default_rng(0).integers(0, 9, (50, 40)) / 9
    cut = Predictions.from_dense([str(i) for i in range(50)], scores, k=23)
    np.testing.assert_array_equal(cut.top_indices, np.argsort(-scores, axis=1, kind="stable")[:, :23])


FAULTS = {
    "NaN": (lambda indices, scores, row: scores.__setitem__((row, 1), np.nan), r"got NaN \(nan\) in"),
    "negative": (lambda indices, scores, row: scores.__setitem__((row, -1), -0.5), r"got a negative score \(-0\.5\)"),
    "above one": (lambda indices, scores, row: scores.__setitem__((row, 0), 1.5), r"got a score above 1 \(1\.5\)"),
    "rising": (lambda indices, scores, row: scores.__setitem__((row, slice(None)), [0.1, 0.2, 0.3]), "descend within"),
    "no class": (lambda indices, scores, row: indices.__setitem__((row, 0), -1), "classes must not be negative"),
    "twice": (lambda indices, scores, row: indices.__setitem__((row, 2), indices[row, 0]), "list a class once"),
}


@settings(max_examples=60, deadline=None)
@given(
    faulty=st.dictionaries(st.integers(0, 29), st.sampled_from(sorted(FAULTS)), min_size=1, max_size=8),
    chunk=st.sampled_from([1, 4, 7, 100]),
)
def test_a_fault_is_told_of_all_videos_that_have_it_wherever_lists_are_divided(faulty, chunk):
    rng = np.random.default_rng(0)
    indices = np.argsort(rng.random((30, 9)), axis=1)[:, :3].astype(np.int32)
    scores = np.sort(rng.random((30, 3)).astype(np.float32), axis=1)[:, ::-1].copy()
    for row, fault in faulty.items():
        FAULTS[fault][0](indices, scores, row)
    first = next(fault for fault in FAULTS if fault in faulty.values())
    # A NaN, or a score beyond its neighbours, is a rise as well; but that is told later.
    videos = sorted(row for row, fault in faulty.items() if fault == first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists_module, "CHECKED_ROWS", chunk)
        with pytest.raises(PoolError, match=FAULTS[first][1]) as told:
            Predictions([f"v{row}" for row in range(30)], indices, scores)
    named = ", ".join(f"'v{row}'" for row in videos[:3])
    more = f" and {len(videos) - 3} more" if len(videos) > 3 else ""
    assert f"{'items' if len(videos) > 1 else 'item'} {named}{more}" in str(told.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.booleans())
def test_views_show_what_copies_would_hold(seed, k, rounded):
    rng = np.random.default_rng(seed)
    indices = np.argsort(rng.random((12, 9)), axis=1)[:, :5]
    scores = np.sort(rng.random((12, 5)), axis=1)[:, ::-1]
    if rounded:
        scores[3, 0] = 1 + 5e-7
    lists = Predictions([f"v{row}" for row in range(12)], indices, scores)
    first, second = rng.permutation(12)[:8], rng.permutation(8)[:5]
    view = lists.take(first).shortened(k).take(second)
    assert (view.k, view.video_ids.tolist()) == (k, [f"v{row}" for row in first[second]])
    expected = np.minimum(scores, 1).astype(np.float32)[first][second][:, :k]
    np.testing.assert_array_equal(view.top_indices, indices[first][second][:, :k])
    np.testing.assert_array_equal(view.top_scores, expected)
    np.testing.assert_array_equal(view.of(np.array([2, 0]))[1], expected[[2, 0]])
    np.testing.assert_array_equal(view.last_scores(slice(1, 4)), expected[1:4, -1])
    copied = Predictions(view.video_ids, view.top_indices, view.top_scores)
    assert view.same_lists(copied)
    other = view.top_scores.copy()
    other[-1, -1] /= 2
    assert not view.same_lists(Predictions(view.video_ids, view.top_indices, other))


def test_a_view_of_a_video_twice_is_refused():
    lists = Predictions(["a", "b"], [[0, 1], [1, 0]], [[0.5, 0.2], [0.4, 0.3]])
    with pytest.raises(PoolError, match="'b' repeatedly"):
        lists.take(np.array([1, 0, 1]))
    with pytest.raises(PoolError, match="at least one id"):
        lists.take(np.array([], np.int64))
