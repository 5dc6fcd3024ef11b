"""Why an ensemble is what it is, beside naive computations on dense scores."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import case_of_seven, dense_case, pool_of

from gapsack.selection.errors import InputError
from gapsack.selection.explain.explain import explain
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import Candidate, CandidatePool, Predictions
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
from gapsack.selection.report.splits import split_videos
from gapsack.selection.search import search_ensemble
from gapsack.selection.units import MIB

BUDGET = 110
VIDEOS = 240


@pytest.fixture(scope="module")
def case():
    return case_of_seven()


@pytest.fixture(scope="module")
def found(case):
    return search_ensemble(case[2], budget_bytes=BUDGET, tune_share=0.5, resamples=20, explain=True)


def gap(case, weights, videos):
    scores, labels, _ = case
    own = np.array([weights.get(f"m{i}", 0.0) for i in range(len(scores))])
    return gap_at_k(np.tensordot(own, scores.astype(np.float64), 1)[videos], labels[videos])


def weights_of(ensemble):
    return {member.name: member.weight for member in ensemble.members}


def size_of(pool, names):
    return sum(pool[name].size_bytes["float16"] for name in names)


def test_what_members_bring_is_what_the_ensemble_scores_without_them(case, found):
    tune, report = split_videos(VIDEOS, 0.5, 0)
    values = found.explanation.members
    assert {value.name for value in values} == set(weights_of(found))
    rng = np.random.default_rng(7)
    drawn = [rng.choice(report, len(report)) for _ in range(300)]
    for value in values:
        assert set(value.weights) == set(weights_of(found)) - {value.name}
        assert sum(value.weights.values()) == pytest.approx(1.0)
        lost = [gap(case, weights_of(found), videos) - gap(case, value.weights, videos) for videos in (tune, report)]
        assert value.tuning_loss == pytest.approx(lost[0], abs=1e-9)
        assert value.held_out_loss.difference == pytest.approx(lost[1], abs=1e-9)
        naive = np.std([gap(case, weights_of(found), d) - gap(case, value.weights, d) for d in drawn])
        assert value.held_out_loss.standard_error == pytest.approx(naive, rel=0.25)
        assert value.freed_bytes == size_of(case[2], [value.name])
        # Searched again: not behind the old weights in proportion, nor behind any of many random ones.
        old = {name: weight for name, weight in weights_of(found).items() if name != value.name}
        tries = [{n: w / sum(old.values()) for n, w in old.items()}]
        tries += [dict(zip(old, rng.dirichlet(np.ones(len(old))), strict=True)) for _ in range(60)]
        assert gap(case, value.weights, tune) >= max(gap(case, each, tune) for each in tries) - 1e-9
    assert [value.tuning_loss for value in values] == sorted((v.tuning_loss for v in values), reverse=True)


def test_what_others_would_bring_fits_and_scores_what_is_told(case, found):
    tune, report = split_videos(VIDEOS, 0.5, 0)
    pool, chosen = case[2], set(weights_of(found))
    values = found.explanation.candidates
    assert {value.name for value in values} == {candidate.name for candidate in pool.candidates} - chosen
    for value in values:
        assert value.name in value.weights
        assert set(value.weights) == chosen - set(value.leaves) | {value.name}
        assert value.total_bytes == size_of(pool, value.weights) <= BUDGET
        gains = [gap(case, value.weights, videos) - gap(case, weights_of(found), videos) for videos in (tune, report)]
        assert value.tuning_gain == pytest.approx(gains[0], abs=1e-9)
        assert value.held_out_gain.difference == pytest.approx(gains[1], abs=1e-9)
        # No swap of one or two members is ahead by more than weights that are searched less can be.
        best = -1.0
        for gone in (c for n in range(3) for c in combinations(sorted(chosen), n)):
            names = [*(chosen - set(gone)), value.name]
            if size_of(pool, names) <= BUDGET:
                best = max(best, gap(case, dict.fromkeys(names, 1 / len(names)), tune))
        assert gap(case, value.weights, tune) >= best - 1e-9
    assert [value.tuning_gain for value in values] == sorted((v.tuning_gain for v in values), reverse=True)


def test_the_price_of_a_mib_is_between_ensembles_of_their_budgets(case, found):
    price = found.explanation.price
    names = [entry.split()[0] for entry in price.more.members]
    step = BUDGET // 10
    assert (price.less.budget_bytes, price.here.budget_bytes, price.more.budget_bytes) == (99, 110, 121)
    for at in (price.less, price.here, price.more):
        own = [entry.split()[0] for entry in at.members]
        assert at.total_bytes == size_of(case[2], own) <= at.budget_bytes
    assert price.less.tuning_score <= price.here.tuning_score <= price.more.tuning_score
    assert price.here.tuning_score >= found.tuning_score
    assert price.lost_per_mib == pytest.approx((price.here.tuning_score - price.less.tuning_score) / (step / MIB))
    assert price.gained_per_mib == pytest.approx((price.more.tuning_score - price.here.tuning_score) / (step / MIB))
    # As good as a search for those budgets, on a pool of seven.
    for at in (price.less, price.more):
        best = search_ensemble(case[2], budget_bytes=at.budget_bytes, tune_share=0.5, resamples=5, prefer="score")
        assert at.tuning_score >= best.tuning_score - 2e-3
    assert names


def rounded_case():
    """Six models whose int8 predicts otherwise and whose float32 predicts what float16 does."""
    scores, labels = dense_case(4, videos=100, classes=40, models=6)
    ids = [f"v{i:04}" for i in range(100)]
    candidates = [
        Candidate(
            f"m{i}",
            {"float32": 40, "float16": 20, "int8": 10},
            Predictions.from_dense(ids, each, 40),
            {"int8": Predictions.from_dense(ids, np.round(each * 12).astype(np.float32) / 12, 40)},
        )
        for i, each in enumerate(scores)
    ]
    return scores, labels, CandidatePool(pool_of(scores, labels, [1] * 6, k=40).labels, candidates)


def test_precisions_that_were_not_taken_have_their_bytes_and_scores():
    scores, labels, pool = rounded_case()
    found = search_ensemble(pool, budget_bytes=55, folds=1, resamples=5, explain=True)
    lists = {"float16": scores, "float32": scores, "int8": np.round(scores * 12).astype(np.float32) / 12}
    taken = {member.name: member.precision for member in found.members}

    def score(precisions, weights):
        mixed = sum(w * lists[precisions[n]][int(n[1])].astype(np.float64) for n, w in weights.items())
        return gap_at_k(mixed, labels)

    values = found.explanation.precisions
    assert {(v.name, v.precision) for v in values} == {
        (name, p) for name, own in taken.items() for p in ("float32", "float16", "int8") if p != own
    }
    for value in values:
        sizes = pool[value.name].size_bytes
        assert value.added_bytes == sizes[value.precision] - sizes[value.taken]
        assert value.fits == (found.total_bytes + value.added_bytes <= 55)
        assert value.predicts_the_same == ({value.precision, value.taken} == {"float16", "float32"})
        at_old_weights = score(taken | {value.name: value.precision}, weights_of(found)) - found.tuning_score
        assert value.tuning_gain >= at_old_weights - 1e-9  # weights are searched, from the old ones too
        if value.predicts_the_same:
            assert value.tuning_gain == 0.0
        assert value.held_out_gain is None  # no fold reports
    assert found.explanation.held_out == ""


def test_folds_report_with_weights_that_their_videos_did_not_choose(case):
    scores, labels, pool = case
    found = search_ensemble(pool, budget_bytes=BUDGET, resamples=20, folds=3, explain=True)
    told = found.explanation
    assert told.held_out == "on all 240 items in 3 folds, weights being searched without each in turn"
    # The same by hand: the search for one subset alone, whose members must be there, on all but a fold.
    from gapsack.selection.report.splits import cross_folds

    def crossed(names):
        mixed = np.zeros(labels.shape)
        columns = [scores[int(name[1])].astype(np.float64) for name in names]
        for tune, report in cross_folds(pool.labels, 3, 0):
            part = pool_of(scores[:, tune], labels[tune], [1] * 7, k=60)
            kept = CandidatePool(part.labels, [part[name] for name in names])
            alone = search_ensemble(kept, budget_bytes=99, folds=1, resamples=5, prefer="score", must_have=names)
            own = weights_of(alone)
            mixed[report] = sum(own[name] * column[report] for name, column in zip(names, columns, strict=True))
        return gap_at_k(mixed, labels)

    whole = crossed(sorted(weights_of(found)))
    for value in told.members[:2]:
        expected = whole - crossed(sorted(value.weights))
        assert value.held_out_loss.difference == pytest.approx(expected, abs=0.01)


def test_an_ensemble_from_a_file_is_explained_as_one_that_was_just_found(case, found):
    _, _, pool = case
    read = Ensemble.from_dict(found.to_dict())
    assert read == found
    again = explain(pool, replace(read, explanation=None))
    assert {v.name: v.tuning_loss for v in again.members} == pytest.approx(
        {v.name: v.tuning_loss for v in found.explanation.members}, abs=1e-3
    )
    assert again.tuning_score == pytest.approx(found.tuning_score, abs=1e-12)
    assert again.held_out == found.explanation.held_out
    by_hand = Ensemble(
        (EnsembleMember("m0", "float16", 0.7, 60), EnsembleMember("m1", "float16", 0.3, 50)),
        total_bytes=110,
        budget_bytes=110,
    )
    told = explain(pool, by_hand, metric="gap@20", folds=2)
    assert told.tuning_score == pytest.approx(gap(case, {"m0": 0.7, "m1": 0.3}, np.arange(VIDEOS)), abs=1e-9)
    for member, message in (
        (EnsembleMember("gone", "float16", 0.3, 50), "gone of the earlier ensemble is not in the pool"),
        (EnsembleMember("m1", "int8", 0.3, 50), "m1 of the earlier ensemble is at int8"),
    ):
        with pytest.raises(InputError, match=message):
            explain(pool, replace(by_hand, members=(by_hand.members[0], member)))
    with pytest.raises(InputError, match="takes 110 bytes of the 100"):
        explain(pool, replace(by_hand, budget_bytes=100))


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    budget=st.integers(15, 90),
    must_have=st.sampled_from([(), ("m1",)]),
    max_members=st.sampled_from([None, 1, 2]),
    blend=st.sampled_from(["probability", "auto"]),
    workers=st.sampled_from([1, 3]),
)
def test_whatever_is_asked_for_every_part_keeps_the_budget_and_the_constraints(
    *, seed, budget, must_have, max_members, blend, workers
):
    scores, labels = dense_case(seed, videos=30, classes=25, models=5)
    plain = pool_of(scores, labels, (50, 15, 15, 10, 10), k=25)
    shared = [
        replace(candidate, shared={"body": {"float16": 8}} if place % 2 else {})
        for place, candidate in enumerate(plain.candidates)
    ]
    pool = CandidatePool(plain.labels, shared)
    options = {"must_have": must_have, "max_members": max_members, "blend": blend, "folds": 2, "resamples": 5}
    found = search_ensemble(pool, budget_bytes=budget, explain=True, workers=workers, **options)
    told = found.explanation

    def taken(names):
        names = set(names)
        sharing = len(names & {"m1", "m3"})
        return sum(pool[name].size_bytes["float16"] for name in names) - 8 * max(sharing - 1, 0)

    for value in told.candidates:
        if value.total_bytes is None:
            smallest = taken({value.name, *must_have})
            assert smallest > budget or (max_members == 1 and must_have)
            continue
        assert value.total_bytes == taken(value.weights) <= budget
        assert set(must_have) <= set(value.weights)
        assert max_members is None or len(value.weights) <= max_members
    for value in told.members:
        assert value.freed_bytes == found.total_bytes - taken(value.weights)
        assert (value.tuning_loss is None) == (len(found.members) == 1)
    for at in (told.price.less, told.price.here, told.price.more):
        if at is not None:
            assert at.total_bytes == taken(entry.split()[0] for entry in at.members) <= at.budget_bytes
    assert Ensemble.from_dict(found.to_dict()) == found
    assert found == search_ensemble(pool, budget_bytes=budget, explain=True, workers=1, **options)


def test_asked_to_stop_it_says_that_not_all_was_told(case):
    calls = iter(range(10**9))
    found = search_ensemble(
        case[2], budget_bytes=BUDGET, folds=1, resamples=5, explain=True, should_stop=lambda: next(calls) > 3
    )
    assert found.explanation is None
    assert any("Stopped before all was told" in note for note in found.notes)
