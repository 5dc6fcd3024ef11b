from __future__ import annotations

import numpy as np

from gapsack.selection.pool import Predictions


def test_dense_scores_are_cut_with_the_lower_class_first_among_equals():
    scores = np.array([[0.5, 0.9, 0.5, 0.5, 0.0]])
    cut = Predictions.from_dense(["v"], scores, k=3)
    assert cut.top_indices.tolist() == [[1, 0, 2]]
    assert cut.top_scores.tolist() == [[np.float32(0.9), 0.5, 0.5]]


def test_dense_cut_equals_a_full_sort():
    scores = np.random.default_rng(0).integers(0, 9, (50, 40)) / 9
    cut = Predictions.from_dense([str(i) for i in range(50)], scores, k=23)
    np.testing.assert_array_equal(cut.top_indices, np.argsort(-scores, axis=1, kind="stable")[:, :23])
