from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.blend.weights import Products
from gapsack.selection.errors import InputError, PoolError
from gapsack.selection.frontier import Frontier, frontier
from gapsack.selection.metrics.objectives import Gap, objective_of
from gapsack.selection.pool import Labels
from gapsack.selection.pool.weighted_labels import weighted, weighting_of
from gapsack.selection.report.bootstrap import sample_on
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.rows.rows import build_rows
from gapsack.selection.search import search_ensemble, split_videos

IDS = ("a", "b", "c")


def three():
    return Labels.from_dense(IDS, [[1, 0], [0, 1], [1, 1]])


def test_weights_are_put_by_name():
    found = weighted(three(), {"c": 3.0, "a": 1, "b": 2.0}, {1: 0.5})
    assert found.item_weights.tolist() == [1.0, 2.0, 3.0]
    assert found.class_weights.tolist() == [1.0, 0.5]
    assert weighted(three()).item_weights is None


@pytest.mark.parametrize(
    ("items", "classes", "told"),
    [
        ({"a": 1.0, "b": 1.0}, None, "got none for item 'c'"),
        ({"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0}, None, "of the pool's items; got some for item 'd'"),
        ({"a": 1.0, "b": 0.0, "c": 1.0}, None, "positive, finite numbers; got"),
        ({"a": 1.0, "b": "x", "c": 1.0}, None, "positive, finite numbers; got 'x'"),
        (None, {2: 1.0}, "classes from 0 to 1; got 2"),
        (None, {0: -1.0}, "positive, finite numbers"),
    ],
)
def test_wrong_weights_are_told(items, classes, told):
    with pytest.raises(PoolError, match=told):
        weighted(three(), items, classes)


def test_a_record_tells_weights_by_count_and_digest():
    assert weighting_of(three()) == {}
    one = weighting_of(weighted(three(), {"a": 1.0, "b": 2.0, "c": 3.0}, {1: 0.5}))
    assert {part: told["count"] for part, told in one.items()} == {"items": 3, "classes": 1}
    shuffled = replace(three().take(np.array([2, 0, 1])))
    assert weighting_of(weighted(shuffled, {"a": 1.0, "b": 2.0, "c": 3.0}, {1: 0.5})) == one
    other = weighting_of(weighted(three(), {"a": 1.0, "b": 2.0, "c": 3.5}))
    assert other["items"]["sha256"] != one["items"]["sha256"]


def case(seed=0, videos=60):
    scores, labels = dense_case(seed, videos=videos, classes=25, models=4)
    pool = pool_of(scores, labels, [20, 15, 12, 10], k=25)
    rng = np.random.default_rng(seed)
    items = dict(zip(pool.labels.video_ids.tolist(), rng.uniform(0.2, 5, videos).tolist(), strict=True))
    return scores, labels, pool, items, {3: 4.0, 7: 0.25}


@pytest.mark.parametrize("metric", ["gap@20", "map", "log_loss", "macro_f1"])
def test_a_search_with_weights_reports_weighted_figures(metric):
    _, _, pool, items, classes = case()
    weights = {"item_weights": items, "class_weights": classes}
    found = search_ensemble(pool, budget_bytes=40, metric=metric, tune_share=0.5, resamples=20, **weights)
    tune, held_out = split_videos(60, 0.5, 0)
    heavy = weighted(pool.labels, items, classes)
    chosen = [int(member.name[1:]) for member in found.members]
    weights = np.array([member.weight for member in found.members])
    lists = [pool.candidates[model].predictions for model in chosen]
    objective = objective_of(metric, heavy)
    for videos, figure in ((tune, found.tuning_score), (held_out, found.held_out["score"])):
        rows = build_rows(heavy.take(videos), [each.take(videos) for each in lists], None)
        assert objective.score(rows, np.arange(len(chosen)), weights) == pytest.approx(figure, abs=1e-9)
        plain = replace(rows, item_weights=None, class_weights=None)
        assert abs(objective.score(plain, np.arange(len(chosen)), weights) - figure) > 1e-6
    rows = build_rows(heavy, lists, None)
    assert found.gap == pytest.approx(Gap().score(rows, np.arange(len(chosen)), weights), abs=1e-9)
    assert found.gap_interval is None
    assert found.held_out["certain_gap_interval"] is None
    assert any("without weights, is left out" in note for note in found.notes)
    assert found.weighting["items"]["count"] == 60
    assert Ensemble.from_dict(json.loads(json.dumps(found.to_dict()))).weighting == found.weighting


def test_weights_change_what_is_chosen():
    """One model is right about one half of the videos and another about the rest; the heavier half decides."""
    labels = np.eye(25, dtype=bool)[np.arange(60) % 25]
    rng = np.random.default_rng(0)
    scores = rng.random((2, 60, 25)).astype(np.float32) * 0.5
    scores[0, :30] += 0.4 * labels[:30]
    scores[1, 30:] += 0.4 * labels[30:]
    pool = pool_of(scores, labels, [10, 10], k=25)
    for heavy, name in ((slice(0, 30), "m0"), (slice(30, 60), "m1")):
        weights = np.ones(60)
        weights[heavy] = 50.0
        items = dict(zip(pool.labels.video_ids, weights, strict=True))
        found = search_ensemble(pool, budget_bytes=10, item_weights=items, tune_share=1.0, resamples=5)
        assert [member.name for member in found.members] == [name]


def test_equal_weights_change_no_figure():
    _, _, pool, items, _ = case(1)
    plain = search_ensemble(pool, budget_bytes=40, resamples=20)
    same = {"item_weights": dict.fromkeys(items, 3.0), "class_weights": dict.fromkeys(range(25), 2.0)}
    equal = search_ensemble(pool, budget_bytes=40, resamples=20, **same)
    kept, found = plain.to_dict(), equal.to_dict()
    for record in (kept, found):
        record.pop("weighting")
    assert found == kept


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weighted_gap_draws_are_gaps_of_the_drawn_videos(seed):
    _, _, pool, items, classes = case(seed, videos=30)
    rows = build_rows(weighted(pool.labels, items, classes), [c.predictions for c in pool.candidates], 20)
    weights = (0.1, 0.2, 0.3, 0.4)
    sample = sample_on(rows, weights, Gap(), resamples=6, seed=seed)
    rng = np.random.default_rng([seed, 1])
    for draw in sample.draws:
        taken = rows.take(np.sort(rng.integers(0, 30, 30)))
        assert draw == pytest.approx(Gap().score(taken, np.arange(4), np.array(weights)), abs=1e-9)


def test_least_squares_counts_pairs_with_their_weights():
    scores, labels, pool, items, classes = case(2)
    heavy = weighted(pool.labels, items, classes)
    products = Products.of(build_rows(heavy, [c.predictions for c in pool.candidates], None))
    pairs = heavy.item_weights[:, None] * heavy.class_weights
    dense = scores.astype(np.float64)
    expected = np.einsum("avc,bvc,vc->ab", dense, dense, pairs)
    np.testing.assert_allclose(products.pairs, expected, rtol=1e-5)
    np.testing.assert_allclose(products.truth, np.einsum("avc,vc,vc->a", dense, labels.astype(float), pairs), rtol=1e-5)


def test_a_frontier_with_weights_tells_them_and_takes_no_ensemble_without():
    _, _, pool, items, _ = case(3)
    whole = frontier(pool, item_weights=items)
    assert whole.weighting["items"]["count"] == 60
    assert Frontier.from_dict(json.loads(json.dumps(whole.to_dict()))).weighting == whole.weighting
    found = search_ensemble(pool, budget_bytes=40, item_weights=items, prefer="score", resamples=5)
    assert whole.at(40).tuning_score >= found.tuning_score - 1e-9
    plain = search_ensemble(pool, budget_bytes=40, prefer="score", resamples=5)
    behind = replace(whole, points=(replace(whole.points[0], tuning_score=0.0),))
    assert behind.with_ensemble(plain) == behind
    assert behind.with_ensemble(found) != behind


def test_a_metric_of_ones_own_with_weights_is_a_sentence():
    _, _, pool, items, _ = case(0)
    with pytest.raises(InputError, match="weighs them itself"):
        search_ensemble(pool, budget_bytes=40, metric=lambda scores, labels: 0.0, item_weights=items)
