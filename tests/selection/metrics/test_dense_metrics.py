from __future__ import annotations

import math

import numpy as np
import pytest

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.dense_metrics import binary_log_loss, hit_at_one, mean_average_precision

SCORES = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.7], [0.6, 0.3, 0.4]])
LABELS = np.array([[True, False, False], [False, False, True], [False, False, True]])


def test_hit_at_one_counts_videos_whose_best_class_is_correct():
    assert hit_at_one(SCORES, LABELS) == pytest.approx(1 / 3)


def test_hit_at_one_gives_nothing_for_a_tie():
    assert hit_at_one([[0.5, 0.5]], [[True, False]]) == 0.0


def test_mean_average_precision_by_hand():
    # Class 0: its one video ranks first. Class 2: videos ordered 1, 0, 2, correct at ranks 1 and 3.
    assert mean_average_precision(SCORES, LABELS) == pytest.approx((1.0 + (1 + 2 / 3) / 2) / 2)


def test_log_loss_by_hand():
    expected = -(math.log(0.25 + 1e-5) + math.log(1 - 0.5 + 1e-5))
    assert binary_log_loss([[0.25, 0.5]], [[True, False]]) == pytest.approx(expected)


@pytest.mark.parametrize("metric", [hit_at_one, binary_log_loss, mean_average_precision])
def test_metrics_ignore_order_and_refuse_nan(metric):
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 4, (30, 7)) / 4, rng.random((30, 7)) < 0.2
    shuffled = np.ix_(rng.permutation(30), rng.permutation(7))
    assert metric(scores[shuffled], labels[shuffled]) == pytest.approx(metric(scores, labels), abs=1e-12)
    with pytest.raises(InputError, match="NaN"):
        metric(np.full((2, 2), np.nan), np.ones((2, 2), bool))
