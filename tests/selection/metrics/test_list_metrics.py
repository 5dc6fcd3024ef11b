from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapsack.selection.metrics.dense_metrics import hit_at_one, mean_average_precision
from gapsack.selection.metrics.list_metrics import hit_at_one_of_lists, mean_average_precision_of_lists
from gapsack.selection.pool.lists import Labels, Predictions


def labels_of(dense: np.ndarray) -> Labels:
    rows, classes = np.nonzero(dense)
    indptr = np.searchsorted(rows, np.arange(len(dense) + 1))
    return Labels(np.array([f"v{i}" for i in range(len(dense))]), indptr, classes.astype(np.int32), dense.shape[1])


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 9), st.sampled_from([2, 5, 1000]))
def test_lists_of_all_classes_give_the_dense_figures(seed: int, videos: int, classes: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random((videos, classes)) * levels) / levels
    dense = rng.random((videos, classes)) < 0.3
    labels = labels_of(dense)
    lists = Predictions.from_dense(labels.video_ids, scores.astype(np.float32), classes)
    given_lists = (lists.top_indices, lists.top_scores, labels)
    assert hit_at_one_of_lists(*given_lists) == pytest.approx(hit_at_one(scores, dense), abs=1e-12)
    assert mean_average_precision_of_lists(*given_lists) == pytest.approx(
        mean_average_precision(scores, dense), abs=1e-12
    )


def test_a_label_that_is_not_listed_counts_as_never_found() -> None:
    labels = labels_of(np.array([[True, False, False], [True, True, False]]))
    indices = np.array([[0], [1]], np.int32)
    scores = np.array([[0.9], [0.8]], np.float32)
    # Class 0 has two labels, one of them listed first; class 1 has one, listed first; class 2 has none.
    assert mean_average_precision_of_lists(indices, scores, labels) == pytest.approx((0.5 + 1.0) / 2)
