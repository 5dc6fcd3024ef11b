from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.blend import weights as weights_module
from gapsack.selection.blend.weights import Products, log_loss_weights, on_simplex
from gapsack.selection.metrics.dense_metrics import binary_log_loss
from gapsack.selection.rows.rows import build_rows


def simplex_points(count, draws, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(count), draws)


@pytest.mark.parametrize("columns", [(0,), (1, 3), (0, 1, 2, 3)])
def test_least_squares_beats_every_other_point_of_the_simplex(case, columns):
    scores, labels, rows = case
    members = scores[list(columns)]

    def error(weights):
        return ((np.tensordot(weights, members, 1) - labels) ** 2).sum() / len(labels) - labels.sum() / len(labels)

    weights, loss = Products.of(rows).least_squares(np.array(columns))
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert loss == pytest.approx(error(weights), rel=1e-5)
    assert all(error(weights) <= error(point) + 1e-9 for point in simplex_points(len(columns), 200))


def test_least_squares_leaves_out_a_useless_model_and_bears_a_copied_one():
    scores, labels = dense_case(3, videos=200, classes=30, models=2)
    copied = np.stack([scores[0], scores[0], 1.0 - scores[0]])
    pool = pool_of(copied, labels, [1] * 3, k=30)
    products = Products.of(build_rows(pool.labels, [c.predictions for c in pool.candidates], None))
    weights, _ = products.least_squares(np.arange(3))
    assert weights[2] < 0.2
    assert weights.sum() == pytest.approx(1.0)
    assert np.isfinite(products.conjugate_directions(np.arange(3))).all()


def test_log_loss_weights_beat_every_other_point_of_the_simplex(case):
    scores, labels, rows = case
    weights = log_loss_weights(rows, np.full(4, 0.25))
    best = binary_log_loss(np.tensordot(weights, scores, 1), labels)
    assert all(best <= binary_log_loss(np.tensordot(p, scores, 1), labels) + 1e-4 for p in simplex_points(4, 100))


def test_conjugate_directions_stay_on_the_simplex_and_separate_the_error(case):
    _, _, rows = case
    products = Products.of(rows)
    directions = products.conjugate_directions(np.arange(4))
    assert directions.shape == (3, 4)
    np.testing.assert_allclose(directions.sum(axis=1), 0, atol=1e-9)
    curvature = directions @ products.pairs @ directions.T
    off_diagonal = curvature - np.diag(np.diag(curvature))
    assert np.abs(off_diagonal).max() < 1e-6 * np.diag(curvature).max()


def test_on_simplex():
    np.testing.assert_allclose(on_simplex(np.array([-1.0, 3.0, 1.0])), [0, 0.75, 0.25])
    np.testing.assert_allclose(on_simplex(np.zeros(2)), [0.5, 0.5])


def test_normalising_twice_is_normalising_once_and_nothing_breaks_it():
    rng = np.random.default_rng(0)
    for count in (1, 2, 3, 17, 400):
        for weights in (rng.dirichlet(np.ones(count)), rng.normal(size=count), rng.random(count) * 1e-300):
            once = on_simplex(weights)
            assert once.sum() == pytest.approx(1.0, abs=1e-12)
            np.testing.assert_array_equal(on_simplex(once), once)
    np.testing.assert_allclose(on_simplex(np.array([np.nan, 1.0])), [0.5, 0.5])
    np.testing.assert_allclose(on_simplex(np.array([np.inf, 1.0])), [0.5, 0.5])


def test_least_squares_takes_many_columns_up_as_it_leaves_few_out(monkeypatch):
    scores, labels = dense_case(5, videos=60, classes=30, models=12)
    pool = pool_of(scores, labels, [1] * 12, k=30)
    products = Products.of(build_rows(pool.labels, [c.predictions for c in pool.candidates], None))
    expected, loss = products.least_squares(np.arange(12))
    monkeypatch.setattr(weights_module, "MANY", 3)
    found, same = products.least_squares(np.arange(12))
    assert same == pytest.approx(loss, abs=1e-9)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_guess_of_what_a_column_brings_is_what_mixing_it_in_brings(case):
    _, _, rows = case
    products = Products.of(rows)
    columns, weights = np.array([0, 1]), np.array([0.3, 0.7])

    def error(share, other):
        blend = np.array([0.3 * (1 - share), 0.7 * (1 - share), share])
        chosen = np.array([0, 1, other])
        return blend @ products.pairs[np.ix_(chosen, chosen)] @ blend - 2 * products.truth[chosen] @ blend

    for place, fall in enumerate(products.promising(columns, weights, np.array([2, 3]))):
        best = min(error(share, (2, 3)[place]) for share in np.linspace(0, 1, 2001))
        assert fall == pytest.approx(error(0.0, (2, 3)[place]) - best, rel=1e-3)


@settings(max_examples=60, deadline=None, database=None)
@given(seed=st.integers(0, 2**32 - 1), members=st.integers(1, 9), together=st.integers(1, 70))
def test_least_squares_of_many_subsets_is_that_of_each_to_the_bit(seed, members, together):
    """Whatever is solved beside a subset, which depends on what is known already and must not show."""
    rng = np.random.default_rng(seed)
    columns = rng.random((12, 40)) * rng.uniform(0.1, 1.0, (12, 1))
    columns[3] = columns[2]  # a copy, which only the ridge tells apart
    pairs = columns @ columns.T + 1e-9 * np.eye(12)
    products = Products(pairs, columns @ (rng.random(40) < 0.3), 40)
    subsets = np.array([np.sort(rng.permutation(12)[:members]) for _ in range(together)])
    weights, errors = products.least_squares_of(subsets)
    for subset, mine, error in zip(subsets, weights, errors, strict=True):
        alone, same = products.least_squares(subset)
        np.testing.assert_array_equal(alone, mine)
        assert same == error
        assert (mine >= 0.0).all()
        assert mine.sum() == pytest.approx(1.0, abs=1e-12)
