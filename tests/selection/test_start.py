"""A search that begins from an earlier ensemble: never behind it, and honest about what it could not take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import case_of_seven, dense_case, pool_of

from gapsack.selection.errors import InputError
from gapsack.selection.gap import gap_at_k
from gapsack.selection.pool import Candidate, CandidatePool, Predictions
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
from gapsack.selection.search import search_ensemble


def earlier(weights, precision="float16", blend="probability", size=10):
    members = tuple(EnsembleMember(name, precision, weight, size) for name, weight in weights.items())
    return Ensemble(members, blend=blend, total_bytes=size * len(members), budget_bytes=10_000)


def blended(scores, members, blend):
    weights = {member.name: member.weight for member in members}
    own = np.array([weights.get(f"m{i}", 0.0) for i in range(len(scores))])
    if blend == "probability":
        return np.tensordot(own, scores.astype(np.float64), 1)
    kept = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.tensordot(own, np.log(kept / (1 - kept)), 1)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shares=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4),
    budget=st.integers(20, 120),
    prefer=st.sampled_from(["measured", "score", "small", "bagged"]),
    blend=st.sampled_from(["probability", "logit", "auto"]),
    must_have=st.sampled_from([(), ("m0",), ("m3",)]),
)
def test_the_result_is_never_behind_on_the_tuning_videos(*, seed, shares, budget, prefer, blend, must_have):
    scores, labels = dense_case(seed, videos=40, classes=30, models=5)
    pool = pool_of(scores, labels, (20, 60, 15, 15, 10), k=30)
    names = np.random.default_rng(seed).permutation([f"m{i}" for i in range(5)])[: len(shares)]
    weights = np.array(shares) / sum(shares)
    start = earlier(
        dict(zip(names.tolist(), weights.tolist(), strict=True)), blend="logit" if blend == "logit" else "probability"
    )
    options = {"prefer": prefer, "blend": blend, "must_have": must_have, "folds": 1, "resamples": 5}
    found = search_ensemble(pool, budget_bytes=budget, start=start, **options)
    assert found.total_bytes <= budget
    before = gap_at_k(blended(scores, start.members, start.blend), labels)
    assert found.changes.tuning_score_before == pytest.approx(before, abs=1e-9)
    assert found.changes.tuning_gain == pytest.approx(found.tuning_score - before, abs=1e-9)
    assert found.tuning_score == pytest.approx(gap_at_k(blended(scores, found.members, found.blend), labels), abs=1e-9)
    taken = sum(pool[name].size_bytes["float16"] for name in names)
    if taken <= budget and set(must_have) <= set(names):
        assert found.tuning_score >= found.changes.tuning_score_before
        assert not found.changes.notes
    else:
        assert len(found.changes.notes) == 1


@pytest.fixture(scope="module")
def case():
    return case_of_seven()


@pytest.fixture(scope="module")
def plain(case):
    return search_ensemble(case[2], budget_bytes=110, resamples=20, prefer="score")


def test_a_search_from_its_own_result_changes_nothing_that_matters(case, plain):
    again = search_ensemble(case[2], budget_bytes=110, resamples=20, prefer="score", start=plain)
    assert plain.tuning_score <= again.tuning_score <= plain.tuning_score + 1e-3
    if again.members == plain.members:
        assert again.changes.held_out_gain.difference == pytest.approx(0.0)
    # Folds do not see the earlier ensemble, which was chosen on their videos: what they say is what it was.
    assert again.held_out["score"] == plain.held_out["score"]


def test_what_is_worth_giving_up_is_held_against_the_earlier_ensemble_too():
    scores, labels = dense_case(0, videos=30, classes=25, models=5)
    pool = pool_of(scores, labels, (20, 60, 15, 15, 10), k=25)
    options = {"budget_bytes": 120, "resamples": 5, "folds": 1}
    best = search_ensemble(pool, prefer="score", **options)
    alone = search_ensemble(pool, prefer="small", **options)
    assert alone.tuning_score < best.tuning_score  # it gives up score for bytes
    found = search_ensemble(pool, prefer="small", start=best, **options)
    assert found.tuning_score >= best.tuning_score


def test_what_changed_is_told(case, plain):
    scores, labels, pool = case
    start = earlier({"m0": 0.5, "m6": 0.5})
    found = search_ensemble(pool, budget_bytes=110, resamples=20, tune_share=0.5, start=start)
    changes = found.changes
    names = {member.name for member in found.members}
    assert {each.name for each in changes.joined} == names - {"m0", "m6"}
    assert {each.name for each in changes.left} == {"m0", "m6"} - names
    assert {each.name for each in changes.stayed} == {"m0", "m6"} & names
    assert changes.total_bytes_before == 20
    from gapsack.selection.report.splits import split_videos

    tune, report = split_videos(240, 0.5, 0)

    def gap(members, videos):
        return gap_at_k(blended(scores, members, "probability")[videos], labels[videos])

    assert changes.tuning_score_before == pytest.approx(gap(start.members, tune), abs=1e-9)
    expected = gap(found.members, report) - gap(start.members, report)
    assert changes.held_out_gain.difference == pytest.approx(expected, abs=1e-9)
    # The standard error, by a bootstrap of its own.
    rng = np.random.default_rng(5)
    drawn = [rng.choice(report, len(report)) for _ in range(400)]
    naive = np.std([gap(found.members, videos) - gap(start.members, videos) for videos in drawn])
    assert changes.held_out_gain.standard_error == pytest.approx(naive, rel=0.25)
    assert any("held out here" in note for note in changes.notes)  # that start was chosen on who knows what
    assert Ensemble.from_dict(found.to_dict()) == found
    assert plain.changes is None
    assert "changes" not in plain.to_dict()


def test_members_and_precisions_that_are_not_there_are_one_sentence_each(case):
    _, _, pool = case
    start = Ensemble(
        (
            EnsembleMember("m1", "float16", 0.4, 50),
            EnsembleMember("gone", "float16", 0.3, 50),
            EnsembleMember("m2", "int4", 0.3, 50),
        ),
        total_bytes=150,
        budget_bytes=200,
    )
    found = search_ensemble(pool, budget_bytes=110, folds=1, resamples=5, start=start)
    notes = " ".join(found.changes.notes)
    assert "gone of the earlier ensemble is not in the pool" in notes
    assert "m2 of the earlier ensemble is at int4, which is not among those that may be used (float16)" in notes
    assert found.changes.tuning_score_before is None
    with pytest.raises(InputError, match="none of its members x, y"):
        search_ensemble(pool, budget_bytes=110, start=earlier({"x": 0.5, "y": 0.5}))


def test_one_that_takes_too_much_lends_its_heaviest(case):
    _, _, pool = case
    start = earlier({"m0": 0.5, "m1": 0.3, "m2": 0.2})  # 155 bytes in this pool
    found = search_ensemble(pool, budget_bytes=110, folds=1, resamples=5, start=start)
    (note,) = found.changes.notes
    assert (
        note == "The earlier ensemble takes 155 bytes of the 110 that there are: the search begins from it without m2."
    )
    assert found.total_bytes <= 110


def test_a_precision_that_predicts_what_a_smaller_one_does_is_that_one(case):
    scores, labels, _ = case
    ids = [f"v{i:04}" for i in range(len(labels))]
    plain = pool_of(scores, labels, (10,) * 7, k=60)
    pool = CandidatePool(
        plain.labels,
        [
            Candidate(f"m{i}", {"float32": 20, "float16": 10}, Predictions.from_dense(ids, s, 60))
            for i, s in enumerate(scores)
        ],
    )
    start = earlier({"m0": 0.5, "m1": 0.5}, precision="float32")
    found = search_ensemble(pool, budget_bytes=40, folds=1, resamples=5, start=start)
    expected = search_ensemble(plain, budget_bytes=40, folds=1, resamples=5, start=earlier({"m0": 0.5, "m1": 0.5}))
    assert replace(found, changes=None) == replace(expected, changes=None)
    assert not found.changes.notes
