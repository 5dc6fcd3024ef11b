"""Properties of whole searches on small random pools of every kind: that they end, and that what they say is so."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of
from sklearn.metrics import accuracy_score, average_precision_score, balanced_accuracy_score, f1_score, roc_auc_score

from gapsack.selection.frontier import frontier
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.dense_metrics import binary_log_loss, categorical_log_loss, mean_average_precision
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.rows.rows import LOGIT_CLIP
from gapsack.selection.search import search_ensemble, split_videos
from gapsack.selection.subsets import all_budgets

NAIVE = {
    "gap@20": gap_at_k,
    "gap@3": lambda scores, labels: gap_at_k(scores, labels, 3),
    "map": mean_average_precision,
    "binary_log_loss": lambda scores, labels: -binary_log_loss(scores, labels),
    "categorical_log_loss": lambda scores, labels: -categorical_log_loss(scores, labels),
    "accuracy": lambda scores, labels: accuracy_score(labels.argmax(1), scores.argmax(1)),
    "balanced_accuracy": lambda scores, labels: balanced(labels.argmax(1), scores.argmax(1)),
    "macro_f1": lambda scores, labels: f1_score(labels.argmax(1), scores.argmax(1), average="macro"),
    "roc_auc": lambda scores, labels: roc_auc_score(*with_both(labels, scores)),
    "average_precision": lambda scores, labels: average_precision_score(*with_both(labels, scores)),
}
ONE_LABEL = {"categorical_log_loss", "accuracy", "balanced_accuracy", "macro_f1"}
UNBOUNDED = {"macro_f1", "average_precision"}
"""Metrics for which no bound is known where classes exclude each other, or at all."""


def balanced(labels, predicted):
    """scikit-learn's, which wonders at classes that are predicted and that nothing has."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        return balanced_accuracy_score(labels, predicted)


def with_both(labels, scores):
    """Labels and scores of the classes that some videos have and others have not."""
    there = labels.any(axis=0) & ~labels.all(axis=0)
    return labels[:, there], scores[:, there]


def random_case(seed, *, models, videos=36, classes=22, one_label=False):
    """(scores, labels, pool) of models of random sizes; with ``one_label``, probabilities of classes that exclude."""
    rng = np.random.default_rng(seed)
    scores, labels = dense_case(seed, videos=videos, classes=classes, models=models, label_share=0.1)
    if one_label:
        labels = np.eye(classes, dtype=bool)[rng.integers(0, classes, videos)]
        logits = rng.normal(size=(models, videos, classes)) * 2 + 2 * labels
        scores = (np.exp(logits) / np.exp(logits).sum(2, keepdims=True)).astype(np.float32)
    return scores, labels, pool_of(scores, labels, rng.integers(10, 60, models), k=classes)


def naive_blend(scores, found):
    """The reported weights applied to dense scores, by a loop that shares no code with the search."""
    members = sorted((int(member.name[1:]), member.weight) for member in found.members)
    total = np.zeros(scores.shape[1:])
    for model, weight in members:
        values = scores[model].astype(np.float64)
        if found.blend == "logit":
            clipped = np.clip(values, LOGIT_CLIP, 1 - LOGIT_CLIP)
            values = np.log(clipped) - np.log1p(-clipped)
        total += weight * values
    return 1 / (1 + np.exp(-total)) if found.blend == "logit" else total


class Smooth:
    """A random smooth metric: minus a weighted squared error with a curved link."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.power, self.bias = rng.uniform(0.5, 2.0), rng.uniform(0.0, 0.3)
        self.scale = 10.0 ** rng.uniform(-4, 2)
        self.__name__ = "smooth"

    def __call__(self, scores, labels):
        difference = np.abs(scores.toarray() - labels.toarray() * (1 - self.bias))
        return -self.scale * float((difference ** (1.0 + self.power)).mean())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(["smooth", "binary_log_loss", "gap@20"]))
def test_dropping_members_ends_after_few_passes(seed, metric):
    _, _, pool = random_case(seed, models=5)
    passes = []

    def count(progress):
        if progress.stage == "members that add nothing":
            passes.append(progress.score)
            assert len(passes) <= 2**5, "more passes than there are sets of members"

    chosen = Smooth(seed) if metric == "smooth" else metric
    search_ensemble(pool, budget_bytes=120, metric=chosen, tune_share=1.0, progress=count)


def test_a_member_that_costs_more_than_nothing_and_almost_nothing_ends_the_search():
    """The log loss of the first report: what is dropped at a loss of at most 2e-7 was taken up again for ever."""
    scores, labels, _ = random_case(3, models=2)
    rng = np.random.default_rng(0)
    nearly = [np.clip(scores[0] + 1e-6 * rng.normal(size=scores[0].shape), 0, 1).astype(np.float32) for _ in range(3)]
    pool = pool_of(np.stack([scores[0], scores[1], *nearly]), labels, [10, 11, 12, 13, 14], k=22)
    passes = []

    def count(progress):
        passes.append(progress.stage)
        assert passes.count("members that add nothing") <= 2**5

    search_ensemble(pool, budget_bytes=60, metric="binary_log_loss", tune_share=1.0, prefer="score", progress=count)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    metric=st.sampled_from(sorted(NAIVE)),
    blend=st.sampled_from(["probability", "logit", "auto"]),
    prefer=st.sampled_from(["measured", "score", "small", "bagged"]),
)
def test_reported_weights_score_what_is_reported(seed, metric, blend, prefer):
    scores, labels, pool = random_case(seed, models=4, one_label=metric in ONE_LABEL)
    options = {"metric": metric, "blend": blend, "prefer": prefer, "resamples": 5, "tune_share": 0.5}
    found = search_ensemble(pool, budget_bytes=110, **options)
    tune, held_out = split_videos(36, 0.5, 0)
    weights = [member.weight for member in found.members]
    assert min(weights) > 0.0, "a member without weight is listed"
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    assert found.blend in ((blend,) if blend != "auto" else ("probability", "logit"))
    mixed = naive_blend(scores, found)
    scale = max(1.0, abs(found.tuning_score))
    assert NAIVE[metric](mixed[tune], labels[tune]) == pytest.approx(found.tuning_score, abs=1e-12 * scale)
    assert NAIVE[metric](mixed[held_out], labels[held_out]) == pytest.approx(found.held_out["score"], abs=1e-12 * scale)
    if metric in UNBOUNDED:
        assert found.search["upper_bound"] is None
        return
    assert found.search["upper_bound"] >= found.tuning_score - 1e-9
    assert found.search["gap_to_bound"] == max(found.search["upper_bound"] - found.tuning_score, 0.0)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), metric=st.sampled_from(["gap@20", "map"]))
def test_both_blends_are_never_behind_either(seed, metric):
    _, _, pool = random_case(seed, models=4)
    found = {
        blend: search_ensemble(pool, budget_bytes=110, metric=metric, blend=blend, prefer="score", folds=1)
        for blend in ("probability", "logit", "auto")
    }
    assert found["logit"].blend == "logit"
    assert found["auto"].tuning_score >= found["logit"].tuning_score
    assert found["auto"].tuning_score >= found["probability"].tuning_score


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000), blend=st.sampled_from(["probability", "auto"]))
def test_the_frontier_is_never_behind_a_search_whatever_the_largest_budget(seed, blend):
    _, _, pool = random_case(seed, models=4)
    options = {"blend": blend, "reserve_bytes": 3, "member_reserve_bytes": 2}
    whole = frontier(pool, **options)
    smallest = whole.points[0].budget_bytes
    for budget in sorted({*np.linspace(smallest, whole.points[-1].budget_bytes + 5, 3).astype(int).tolist()}):
        one = search_ensemble(pool, budget_bytes=budget, prefer="score", folds=1, **options)
        assert whole.at(budget).tuning_score >= one.tuning_score - 1e-9
        assert frontier(pool, max_budget_bytes=budget, **options).at(budget) == whole.at(budget)
    assert "searched by itself" in whole.search["stop_reason"]
    assert {len(single.members) for single in whole.singles} == {1}


def test_where_ensembles_are_more_the_frontier_is_not_behind_at_the_ends_of_its_steps(monkeypatch):
    monkeypatch.setattr(all_budgets, "MOST_SEARCHED", 0)
    _, _, pool = random_case(5, models=5)
    whole = frontier(pool)
    for _, following in pairwise(whole.points):
        budget = following.budget_bytes - 1
        one = search_ensemble(pool, budget_bytes=budget, prefer="score", folds=1)
        assert whole.at(budget).tuning_score >= one.tuning_score - 1e-9
    assert "between each point and the next" in whole.search["stop_reason"]


@pytest.mark.parametrize("share", [{}, {"tune_share": 0.5}])
def test_what_one_search_finds_is_offered_to_the_frontier_where_it_is_comparable(share):
    _, _, pool = random_case(1, models=4)
    whole = frontier(pool, metric="gap@20", **share)
    found = search_ensemble(pool, budget_bytes=200, resamples=5, **share)
    assert whole.with_ensemble(found) == whole, "nothing is ahead of a frontier that was searched at every budget"
    behind = frontier(pool, should_stop=lambda: True, **share)
    ahead = behind.with_ensemble(found)
    assert ahead.at(200).tuning_score == found.tuning_score
    assert ahead.at(200).gain_per_mib > 0
    others = [{"tune_share": 0.6}, {"metric": "map"}]
    others += [{"seed": 1, **share}, {"tune_share": 1.0}] if share else [{"tune_share": 0.5}]
    for other in others:
        assert (
            behind.with_ensemble(search_ensemble(pool, budget_bytes=200, resamples=5, **{**share, **other})) == behind
        )
    assert type(whole).from_dict(whole.to_dict()).points == whole.points


def test_what_all_videos_chose_is_comparable_whatever_reports_and_has_the_frontiers_figure():
    """The ensemble's own figure is of other folds than the frontier's, and is not mixed with those."""
    _, _, pool = random_case(1, models=4)
    chosen = frontier(pool)
    behind = replace(chosen, points=chosen.points[:1])
    for other in ({}, {"seed": 1}, {"tune_share": 1.0}, {"folds": 1}):
        found = search_ensemble(pool, budget_bytes=200, resamples=5, **other)
        point = behind.with_ensemble(found).at(200)
        assert point.tuning_score == found.tuning_score
        assert point.held_out_score == chosen.points[0].held_out_score
    earlier = Ensemble.from_dict({**found.to_dict(), "tuning": {}})  # an earlier file that tuned on all
    assert behind.with_ensemble(earlier).at(200).tuning_score == found.tuning_score
    halved = {**search_ensemble(pool, budget_bytes=200, resamples=5, tune_share=0.5).to_dict(), "tuning": {}}
    assert behind.with_ensemble(Ensemble.from_dict(halved)) == behind
    assert frontier(pool, tune_share=0.5, should_stop=lambda: True).with_ensemble(Ensemble.from_dict(halved)).at(
        200
    ).held_out_score == pytest.approx(halved["held_out"]["score"])


def test_members_that_gain_less_than_noise_do_not_cost_bytes_unless_asked_for():
    scores, labels, _ = random_case(6, models=2, videos=300)
    noise = np.random.default_rng(0).normal(size=scores[0].shape)
    echo = np.clip(scores[0] + 0.01 * noise, 0, 1).astype(np.float32)
    pool = pool_of(np.stack([*scores, echo]), labels, [10, 10, 50], k=22)
    kept = search_ensemble(pool, budget_bytes=70, resamples=30, prefer="score", tune_share=0.5)
    left = search_ensemble(pool, budget_bytes=70, resamples=30, prefer="measured", tune_share=0.5)
    assert kept.total_bytes == 70
    assert left.total_bytes < 70
    assert left.tuning_score > left.best_single["tuning_score"]
    assert "Left out" in left.preference
    assert "m2" in left.preference or "m0" in left.preference


@pytest.mark.parametrize("prefer", ["measured", "score", "bagged"])
def test_the_larger_precision_is_not_taken_where_the_smaller_scores_the_same(prefer):
    scores, labels, base = random_case(2, models=2, videos=80)
    ids = base.labels.video_ids
    half = [each.astype(np.float16).astype(np.float32) for each in scores]
    candidates = [
        Candidate(
            f"m{place}",
            {"float32": 40, "float16": 20},
            Predictions.from_dense(ids, scores[place], 22),
            {"float16": Predictions.from_dense(ids, half[place] if place else scores[place], 22)},
        )
        for place in range(2)
    ]
    pool = CandidatePool(Labels.from_dense(ids, labels), candidates)
    found = search_ensemble(pool, budget_bytes=80, resamples=10, prefer=prefer, tune_share=1.0)
    assert next(member.precision for member in found.members if member.name == "m0") == "float16"
    if prefer == "measured":
        assert {member.precision for member in found.members} == {"float16"}


def test_a_member_that_must_be_there_has_a_weight():
    scores, labels, _ = random_case(4, models=2)
    useless = np.random.default_rng(0).random(scores[0].shape).astype(np.float32)
    pool = pool_of(np.stack([*scores, useless]), labels, [10, 10, 10], k=22)
    found = search_ensemble(pool, budget_bytes=30, resamples=5, must_have=["m2"])
    assert {m.name: m.weight for m in found.members}["m2"] > 0.0


def cut_pool(first_k, second_k):
    """The case of flat scores: two models over many classes, lists cut at lengths of their own."""
    rng = np.random.default_rng(0)
    videos, classes = 120, 400
    labels = np.zeros((videos, classes), bool)
    for row in labels:
        row[rng.integers(0, 100, 3)] = True
    scores = rng.random((2, videos, classes), dtype=np.float32) * 0.3
    scores[:, labels] += np.array([[0.5], [0.45]], np.float32) * rng.random((2, labels.sum()), dtype=np.float32)
    ids = [f"v{row:03}" for row in range(videos)]
    candidates = [
        Candidate(name, {"float16": 40}, Predictions.from_dense(ids, each, k))
        for name, each, k in zip("ab", scores, (first_k, second_k), strict=True)
    ]
    return CandidatePool(Labels.from_dense(ids, labels), candidates)


def test_the_headline_says_when_cut_lists_leave_more_open_than_chance():
    cut = search_ensemble(cut_pool(25, 25), budget_bytes=100, resamples=50)
    whole = search_ensemble(cut_pool(400, 400), budget_bytes=100, resamples=50)
    low, high = cut.held_out["certain_gap_interval"]
    assert low <= whole.held_out["gap"] <= high or cut.members != whole.members
    assert any("--top-k" in note for note in cut.notes)
    assert whole.notes == ()


def test_lists_of_different_lengths_are_compared_at_one_length():
    mixed = search_ensemble(cut_pool(100, 20), budget_bytes=100, resamples=20)
    alike = search_ensemble(cut_pool(20, 20), budget_bytes=100, resamples=20)
    assert mixed.tuning_score == alike.tuning_score
    assert mixed.members == alike.members
    assert any("cut at different lengths (20 to 100" in note and "b" in note for note in mixed.notes)
