"""Blends that are scored chunk by chunk, beside their scores on the rows of all videos at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.errors import InputError
from gapsack.selection.metrics.objectives import objective_of
from gapsack.selection.report.bootstrap import ScoredPart, Voters, blended, sample_on
from gapsack.selection.report.certify import certify
from gapsack.selection.rows import streamed


@st.composite
def cases(draw):
    """(a pool, rows of some of its videos in any order, members, weights, the kind of blend, a metric)"""
    seed = draw(st.integers(0, 10_000))
    classes = draw(st.sampled_from([3, 25, 60]))
    levels = draw(st.sampled_from([None, 3, 20]))
    scores, labels = dense_case(seed, videos=40, classes=classes, levels=levels)
    pool = pool_of(scores, labels, [1] * 4, k=draw(st.sampled_from([20, 60])))
    rng = np.random.default_rng(seed)
    videos = rng.permutation(40)[: draw(st.integers(1, 40))]
    members = tuple(rng.permutation(4)[: draw(st.integers(1, 4))].tolist())
    weights = rng.dirichlet(np.ones(len(members)))
    weights[0] *= draw(st.sampled_from([0, 1])) or len(members) == 1
    lists = tuple(pool.candidates[number].predictions for number in members)
    blend = draw(st.sampled_from(["probability", "logit"]))
    voters = Voters(lists, tuple((weights / weights.sum()).tolist()), blend)
    return pool, videos, voters, objective_of(draw(st.sampled_from(["gap@20", "gap@2", "map", "binary_log_loss"])))


@settings(max_examples=80, deadline=None)
@given(cases(), st.sampled_from([1, 3, 7, 64]))
def test_a_streamed_score_is_that_of_all_rows(case, chunk):
    pool, videos, voters, objective = case
    rows, weights = voters.rows(pool.labels, videos, objective), np.array(voters.weights)
    expected = objective.score(rows, np.arange(len(weights)), weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "STREAMED_FROM", 0)
        patch.setattr(streamed, "CHUNK_VIDEOS", chunk)
        small, one = voters.scored_rows(pool.labels, videos, objective)
    assert small.column_count == len(one) == 1
    assert objective.score(small, *streamed.ALONE) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(cases(), st.sampled_from([1, 3, 7, 64]), st.integers(0, 1000))
def test_streamed_folds_have_the_score_and_bootstrap_of_all_rows(case, chunk, seed):
    """Two parts, each by an ensemble of its own."""
    pool, videos, voters, objective = case
    rng = np.random.default_rng(seed)
    others = tuple(pool.candidates[number].predictions for number in rng.permutation(4)[:2])
    other = Voters(others, (0.5, 0.5), str(rng.choice(["probability", "logit"])))
    cut = int(rng.integers(0, len(videos)))
    parts = [ScoredPart(each, by) for each, by in ((videos[:cut], other), (videos[cut:], voters)) if len(each)]

    def sample():
        rows = blended(pool.labels, parts, objective)
        return rows, sample_on(rows, (1.0,), objective, resamples=5, seed=3)

    rows, at_once = sample()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "STREAMED_FROM", 0)
        patch.setattr(streamed, "CHUNK_VIDEOS", chunk)
        small, found = sample()
    assert len(small.classes) <= len(rows.classes)
    assert found.score == pytest.approx(at_once.score, abs=1e-12)
    np.testing.assert_allclose(found.draws, at_once.draws, rtol=0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(cases(), st.sampled_from([1, 7]), st.sampled_from([2, 20]))
def test_a_streamed_certificate_is_that_of_all_videos_at_once(case, chunk, k):
    pool, videos, voters, _ = case
    members = [member.take(videos) for member in voters.members]
    args = (pool.labels.take(videos), members, voters.weights)
    expected = certify(*args, blend=voters.blend, k=k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "CHUNK_VIDEOS", chunk)
        found = certify(*args, blend=voters.blend, k=k)
    assert (found.gap, found.low, found.high) == pytest.approx((expected.gap, expected.low, expected.high), abs=1e-12)
    assert found.open_videos == expected.open_videos


def test_what_a_chunk_leaves_of_a_blend_is_a_videos_best_and_no_more():
    scores, labels = dense_case(0, videos=50, classes=60)
    pool = pool_of(scores, labels, [1] * 4)
    lists = [candidate.predictions for candidate in pool.candidates]
    votes = [streamed.Vote((0, 1), (0.5, 0.5)), streamed.Vote((3,), (1.0,), logits=True)]
    for rows in streamed.blended_rows(pool.labels, lists, votes, 5, np.arange(50)):
        assert np.diff(rows.indptr).tolist() == [5] * 50


def test_a_metric_of_all_classes_says_how_many_videos_it_can_take(monkeypatch):
    scores, labels = dense_case(0, videos=50, classes=60)
    pool = pool_of(scores, labels, [1] * 4)
    lists = [candidate.predictions for candidate in pool.candidates]
    monkeypatch.setattr(streamed, "MOST_ENTRIES", 2_999)
    with pytest.raises(InputError, match=r"at most 2999 classes in all.*got 50 items with 60 each\. Use gap@k"):
        streamed.blended_rows(pool.labels, lists, [streamed.Vote((0,), (1.0,))], None, np.arange(50))
    streamed.blended_rows(pool.labels, lists, [streamed.Vote((0,), (1.0,))], 20, np.arange(50))
