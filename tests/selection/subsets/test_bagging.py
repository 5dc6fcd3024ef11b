"""The mean of greedy selections on all items and on halves, against one of the test's own on dense scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection import search
from gapsack.selection.gap import gap_at_k
from gapsack.selection.report.record import BAGGED_CHOICE_COUNTS
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets.bagging import LEAST_VOTES, PAIRS, halves_of, most_voted
from gapsack.selection.subsets.options import FEW_ITEMS, Options
from gapsack.selection.subsets.space import Space

SIZES = (20, 60, 15, 15, 10)


def naive_greedy(scores, labels, rounds=100):
    """[models] mean votes of the best round; of equal scores a member gets a further vote, then the first model.

    Once every model is a member, 20 rounds without a gain end it.
    """
    votes = np.zeros(len(scores), int)
    best, best_votes, best_round = -1.0, votes, 0
    for number in range(rounds):
        all_are_members = bool(votes.all())
        tried = votes + np.eye(len(scores), dtype=int)
        values = [gap_at_k(np.tensordot(each / each.sum(), scores.astype(np.float64), 1), labels) for each in tried]
        order = sorted(range(len(scores)), key=lambda each: (-round(values[each], 6), votes[each] == 0, each))
        votes = tried[order[0]]
        if values[order[0]] > best:
            best, best_votes, best_round = values[order[0]], votes, number
        elif all_are_members and number - best_round >= 20:
            break
    return best_votes / best_votes.sum()


def weights_of(found):
    weights = {member.name: member.weight for member in found.members}
    return np.array([weights.get(f"m{number}", 0.0) for number in range(len(SIZES))])


@pytest.mark.parametrize("seed", range(2))
def test_weights_are_the_mean_of_what_all_and_what_halves_choose(seed):
    scores, labels = dense_case(seed, videos=40, classes=24, models=len(SIZES))
    pool = pool_of(scores, labels, SIZES, k=24)
    found = search_ensemble(pool, budget_bytes=sum(SIZES), prefer="bagged", folds=1, seed=seed)
    # The search looks at items in an order of the seed; the halves are of that.
    order = np.random.default_rng([seed, 0, 0]).permutation(40)
    halves = halves_of(pool.labels, order, Options(seed=seed))
    on_halves = np.mean([naive_greedy(scores[:, half], labels[half]) for half in halves], axis=0)
    expected = (on_halves + naive_greedy(scores, labels)) / 2
    expected[expected < LEAST_VOTES] = 0.0
    assert weights_of(found) == pytest.approx(expected / expected.sum(), abs=1e-9)
    assert np.count_nonzero(expected) > 2, "one model alone would be the mean of anything"
    assert f"of that on {2 * PAIRS} halves of them" in found.preference


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 50), min_size=3, max_size=7),
    seed=st.integers(0, 1000),
    share=st.floats(0.2, 1.0),
    most=st.sampled_from([None, 2]),
)
def test_what_fits_has_most_of_the_votes(sizes, seed, share, most):
    scores, labels = dense_case(seed, videos=8, classes=5, models=len(sizes))
    room = max(int(share * sum(sizes)), *sizes)
    pool = pool_of(scores, labels, sizes, k=5)
    options = Options(max_members=most, never_together=[["m0", "m1"]])
    space = Space(pool, None, options.constraints(room))
    share_of = np.random.default_rng(seed).dirichlet(np.ones(len(sizes)))
    votes = dict(enumerate(share_of.tolist()))
    start = (int(share_of.argmax()),)
    subset = most_voted(space, votes, [start])
    assert space.is_allowed(subset)
    assert sum(votes[number] for number in subset) >= votes[start[0]]
    worthwhile = [number for number in space.additions(subset) if votes[number] >= LEAST_VOTES]
    assert not worthwhile, "what is voted for and fits is a member"


@pytest.mark.parametrize("options", [{"must_have": ["m3"]}, {"never_together": [["m0", "m2"]]}, {"max_members": 2}])
def test_budget_and_constraints_are_kept(options):
    scores, labels = dense_case(7, videos=40, classes=24, models=len(SIZES))
    found = search_ensemble(
        pool_of(scores, labels, SIZES, k=24), budget_bytes=50, prefer="bagged", folds=2, resamples=5, **options
    )
    names = {member.name for member in found.members}
    assert found.total_bytes <= 50
    assert names >= set(options.get("must_have", ()))
    assert not names >= {"m0", "m2"} or "never_together" not in options
    assert len(names) <= options.get("max_members", 5)
    assert min(member.weight for member in found.members) > 0.0


def test_new_items_are_scored_higher_than_by_the_best_weights_of_a_few():
    leads = []
    for seed in range(6):
        scores, labels = dense_case(seed, videos=2040, classes=24, models=len(SIZES))
        pool = pool_of(scores[:, :40], labels[:40], SIZES, k=24)
        best, bagged = (
            weights_of(search_ensemble(pool, budget_bytes=sum(SIZES), prefer=prefer, folds=1))
            for prefer in ("score", "bagged")
        )
        new = scores[:, 40:].astype(np.float64)
        leads.append(
            gap_at_k(np.tensordot(bagged, new, 1), labels[40:]) - gap_at_k(np.tensordot(best, new, 1), labels[40:])
        )
    assert np.mean(leads) > 0.0


def test_few_items_are_bagged_unless_asked_otherwise_and_many_are_not():
    for videos, few in ((FEW_ITEMS - 1, True), (FEW_ITEMS, False)):
        scores, labels = dense_case(1, videos=videos, classes=12, models=2)
        pool = pool_of(scores, labels, (10, 20), k=12)
        found, bagged, measured = (
            search_ensemble(pool, budget_bytes=30, folds=2, resamples=5, **asked)
            for asked in ({}, {"prefer": "bagged"}, {"prefer": "measured"})
        )
        other = bagged if few else measured
        assert found.members == other.members
        assert found.held_out == other.held_out, "a fold has fewer items, and is as the whole"
        assert ("The default where fewer" in found.preference) == few
        assert bagged.members != measured.members


def test_a_mean_that_is_behind_a_model_alone_is_not_delivered():
    """Where lists are cut, what a model does not list has no probability, and a mean of models can only lose."""
    rng = np.random.default_rng(10)
    labels = np.eye(40, dtype=bool)[rng.integers(0, 8, 36)]
    logits = rng.normal(size=(3, 36, 40)) + 4 * labels
    scores = (np.exp(logits) / np.exp(logits).sum(2, keepdims=True)).astype(np.float32)
    pool = pool_of(scores, labels, [10, 10, 10], k=20)
    options = {"budget_bytes": 30, "metric": "categorical_log_loss", "folds": 1}
    found = search_ensemble(pool, **options, prefer="bagged")
    assert found.members == search_ensemble(pool, **options, prefer="measured").members
    assert found.preference.startswith("What halves of the items choose is behind the best model alone.")


def test_workers_change_nothing():
    scores, labels = dense_case(3, videos=40, classes=24, models=len(SIZES))
    pool = pool_of(scores, labels, SIZES, k=24)
    one, three = (
        search_ensemble(pool, budget_bytes=60, prefer="bagged", folds=1, workers=workers) for workers in (1, 3)
    )
    assert one.members == three.members


def test_groups_stay_on_one_side():
    scores, labels = dense_case(4, videos=30, classes=12, models=2)
    pool = pool_of(scores, labels, (1, 1), k=12)
    groups = np.arange(30) // 3
    videos = np.arange(29, 5, -1)
    halves = halves_of(pool.labels, videos, Options(), groups[videos])
    assert len(halves) == 2 * PAIRS
    for one, other in zip(halves[::2], halves[1::2], strict=True):
        assert sorted([*one, *other]) == sorted(videos)
        assert not set(groups[one]) & set(groups[other])


def test_of_more_items_than_are_searched_a_sample_is_halved_and_all_are_scored():
    scores, labels = dense_case(5, videos=400, classes=24, models=len(SIZES))
    pool = pool_of(scores, labels, SIZES, k=24)
    found = search_ensemble(pool, budget_bytes=sum(SIZES), prefer="bagged", folds=1, search_videos=100)
    mixed = np.tensordot(weights_of(found), scores.astype(np.float64), 1)
    assert found.tuning_score == pytest.approx(gap_at_k(mixed, labels), abs=1e-9)
    assert "halves of them" in found.preference


def test_a_search_that_is_stopped_and_a_metric_that_no_half_has_say_so():
    scores, labels = dense_case(6, videos=40, classes=24, models=len(SIZES))
    pool = pool_of(scores, labels, SIZES, k=24)
    stages = []

    def tell(progress):
        stages.append(progress.stage)

    stopped = search_ensemble(
        pool,
        budget_bytes=60,
        prefer="bagged",
        folds=1,
        progress=tell,
        should_stop=lambda: "greedy selections on halves" in stages,
    )
    assert stopped.preference.startswith("Stopped before all halves of the items had chosen.")
    one = pool_of(scores[:, :1], labels[:1], SIZES, k=24)
    alone = search_ensemble(one, budget_bytes=60, prefer="bagged", folds=1)
    assert alone.preference.startswith("No half of the items can choose.")


def test_hardly_any_votes_make_no_member_but_where_many_share_them():
    scores, labels = dense_case(8, videos=8, classes=5, models=3)
    pool = pool_of(scores, labels, (10, 10, 10), k=5)
    roomy = Space(pool, None, Options().constraints(30))
    assert most_voted(roomy, {0: 0.6, 1: 0.391, 2: 0.009}, []) == (0, 1)
    assert most_voted(roomy, {0: 0.009, 1: 0.008, 2: 0.0002}, []) == (0, 1), "of 200 models, say"
    tight = Space(pool, None, Options().constraints(20))
    assert most_voted(tight, {0: 0.5, 1: 0.491, 2: 0.009}, [(0, 2)]) == (0, 1)
    asked_for = Space(pool, None, Options(must_have=["m2"]).constraints(20))
    assert most_voted(asked_for, {0: 0.5, 1: 0.491, 2: 0.009}, [(1, 2)]) == (0, 2)


def test_the_error_of_the_choice_counts_more_than_where_nothing_is_bagged(monkeypatch):
    scores, labels = dense_case(2, videos=60, classes=24, models=len(SIZES))
    pool = pool_of(scores, labels, SIZES, k=24)

    def told(prefer):
        found = search_ensemble(pool, budget_bytes=sum(SIZES), folds=3, resamples=20, prefer=prefer)
        return [
            (each["standard_error"], each["choice_error"]) for each in (found.held_out, found.difference_to_best_single)
        ]

    as_it_is = told("bagged")
    monkeypatch.setattr(search, "BAGGED_CHOICE_COUNTS", 0.0)
    for (whole, choice), (draws, same) in zip(as_it_is, told("bagged"), strict=True):
        assert choice == same > 0.0
        assert whole**2 == pytest.approx(draws**2 + BAGGED_CHOICE_COUNTS * choice**2)
    of_measured = told("measured")
    monkeypatch.setattr(search, "BAGGED_CHOICE_COUNTS", BAGGED_CHOICE_COUNTS)
    assert told("measured") == of_measured
