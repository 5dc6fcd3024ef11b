"""Groups of tensors that candidates share, beside every set of items tried one by one with a naive sum of bytes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import dense_case, pool_of

from gapsack.selection.errors import BudgetError, PoolError
from gapsack.selection.frontier import frontier
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.search import search_ensemble
from gapsack.selection.subsets.enumeration import allowed_subsets, enumerate_subsets
from gapsack.selection.subsets.space import Constraints, Space

IDS = np.array(["a", "b"])
PRECISIONS = ("float16", "int8")


def lists(seed):
    return Predictions.from_dense(IDS, np.random.default_rng(seed).random((2, 25)))


@st.composite
def sharing_pools(draw):
    count = draw(st.integers(1, 5))
    groups = {f"g{i}": {p: draw(st.integers(1, 6)) for p in PRECISIONS} for i in range(draw(st.integers(1, 3)))}
    candidates = []
    for i in range(count):
        named = draw(st.sets(st.sampled_from(sorted(groups))))
        shared = {
            name: {p: groups[name][p] for p in draw(st.sets(st.sampled_from(PRECISIONS), min_size=1))}
            for name in sorted(named)
        }
        sizes = {p: draw(st.integers(0, 5)) + sum(each.get(p, 0) for each in shared.values()) or 1 for p in PRECISIONS}
        own = {"int8": lists(100 + i)} if draw(st.booleans()) else {}
        candidates.append(Candidate(f"m{i}", sizes, lists(i), own, shared=shared))
    return CandidatePool(Labels.from_dense(IDS, np.eye(2, 25, dtype=bool)), candidates)


@st.composite
def cases(draw):
    candidates = draw(sharing_pools())
    names = [candidate.name for candidate in candidates.candidates]
    return candidates, Constraints(
        room_bytes=draw(st.integers(1, 35)),
        limits={},
        max_members=draw(st.sampled_from([None, 1, 2, 3])),
        must_have=tuple(sorted(draw(st.sets(st.sampled_from(names), max_size=3)))),
        never_together=tuple(draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=1))),
        member_reserve_bytes=draw(st.sampled_from([0, 0, 1])),
    )


def naive_bytes(candidates, chosen):
    """Bytes of members (name, precision): what is a candidate's own, and each group of a precision once."""
    held, total = {}, 0
    for name, precision in chosen:
        candidate = candidates[name]
        shared = {
            (group, precision): sizes[precision] for group, sizes in candidate.shared.items() if precision in sizes
        }
        held |= shared
        total += candidate.size_bytes[precision] - sum(shared.values())
    return total + sum(held.values())


def naive_allowed(candidates, constraints, chosen):
    names = [name for name, _ in chosen]
    room = naive_bytes(candidates, chosen) + len(chosen) * constraints.member_reserve_bytes
    return (
        len(set(names)) == len(names)
        and room <= constraints.room_bytes
        and (constraints.max_members is None or len(names) <= constraints.max_members)
        and set(constraints.must_have) <= set(names)
        and not any(len(set(group) & set(names)) > 1 for group in constraints.never_together)
    )


def every_choice(candidates):
    """All sets of (name, precision) of a pool, also of precisions that predict the same."""
    items = [(c.name, precision) for c in candidates.candidates for precision in c.size_bytes]
    return [
        chosen
        for n in range(1, len(items) + 1)
        for chosen in combinations(items, n)
        if len({name for name, _ in chosen}) == len(chosen)
    ]


@settings(max_examples=250, deadline=None)
@given(cases())
def test_enumeration_agrees_with_trying_every_set_of_items(case):
    candidates, constraints = case
    names = set(constraints.must_have)
    if any(len(names & set(group)) > 1 for group in constraints.never_together):
        return
    if constraints.max_members is not None and constraints.max_members < max(1, len(names)):
        return
    possible = [chosen for chosen in every_choice(candidates) if naive_allowed(candidates, constraints, chosen)]
    try:
        space = Space(candidates, None, constraints)
    except BudgetError:
        assert not possible
        return

    def of(subset):
        return [(space.items[number].name, space.items[number].precision) for number in subset]

    numbers = range(len(space.items))
    every = [s for n in numbers for s in combinations(numbers, n + 1) if len({space.items[i].name for i in s}) == n + 1]
    for subset in every:
        assert space.size_bytes(subset) == naive_bytes(candidates, of(subset))
        assert space.room_bytes(subset) == space.size_bytes(subset) + len(subset) * constraints.member_reserve_bytes
    allowed = {s for s in every if naive_allowed(candidates, constraints, of(s))}
    maximal = {s for s in allowed if not any(set(s) < set(t) and len(t) == len(s) + 1 for t in allowed)}
    listed = enumerate_subsets(space)
    assert listed.feasible == len(allowed) + (0 if constraints.must_have else 1)
    assert sorted(listed.maximal) == sorted(maximal)
    assert sorted(allowed_subsets(space, 10_000)) == sorted(allowed)
    for subset in allowed:
        grown = {tuple(sorted((*subset, number))) for number in space.additions(subset)}
        assert grown == {t for t in allowed if set(subset) < set(t) and len(t) == len(subset) + 1}
    # What is no item predicts what another one does, which serves in its place in every ensemble that fits.
    models = {frozenset(predicted(candidates, of(s))) for s in allowed}
    assert models == {frozenset(predicted(candidates, chosen)) for chosen in possible}


def predicted(candidates, chosen):
    return {(name, candidates[name].predictions_at(precision).top_scores.tobytes()) for name, precision in chosen}


@settings(max_examples=100, deadline=None)
@given(sharing_pools(), st.data())
def test_those_that_must_be_there_are_taken_at_the_precisions_that_take_least_together(candidates, data):
    names = data.draw(st.sets(st.sampled_from([c.name for c in candidates.candidates]), min_size=1))
    space = Space(candidates, None, Constraints(10_000, {}, must_have=tuple(sorted(names))))
    choices = [c for c in every_choice(candidates) if {name for name, _ in c} == names]
    least = min(naive_bytes(candidates, chosen) for chosen in choices)
    assert space.room_bytes(space.smallest_required) == least
    assert space.is_allowed(space.smallest_required)
    with pytest.raises(BudgetError, match=f"at least {least} bytes"):
        space.within(least - 1)


def shared_case(seed=3):
    """Six models of 40 bytes on 120 videos; the first four share 30 of theirs."""
    scores, labels = dense_case(seed, videos=120, classes=40, models=6)
    plain = pool_of(scores, labels, [40] * 6)
    together = [
        Candidate(c.name, c.size_bytes, c.predictions, shared={"body": {"float16": 30}} if i < 4 else {})
        for i, c in enumerate(plain.candidates)
    ]
    return plain, CandidatePool(plain.labels, together)


def test_a_search_takes_what_fits_once_shared_bytes_count_once():
    plain, together = shared_case()
    budget = 70  # 30 + 4 * 10: all that share, or one and nothing else
    assert len(search_ensemble(plain, budget_bytes=budget, prefer="score").members) == 1
    found = search_ensemble(together, budget_bytes=budget, prefer="score")
    assert found.total_bytes == naive_bytes(together, [(m.name, m.precision) for m in found.members]) <= budget
    assert found.total_bytes == sum(m.size_bytes for m in found.members) - found.shared_bytes
    # As good as a search among those four that has room for all of them.
    alone = CandidatePool(plain.labels, plain.candidates[:4])
    assert found.tuning_score >= search_ensemble(alone, budget_bytes=160, prefer="score").tuning_score - 1e-9


@pytest.mark.long
def test_the_frontier_counts_shared_bytes_once():
    _, together = shared_case()
    found = frontier(together)
    for point in found.points:
        assert point.budget_bytes == naive_bytes(together, [(m.name, m.precision) for m in point.members])
        best = search_ensemble(together, budget_bytes=point.budget_bytes, prefer="score")
        assert point.tuning_score >= best.tuning_score - 1e-9


def test_declared_groups_that_name_nothing_in_common_change_nothing():
    plain, _ = shared_case()
    alone = CandidatePool(
        plain.labels,
        [Candidate(c.name, c.size_bytes, c.predictions, shared={c.name: {"float16": 30}}) for c in plain.candidates],
    )
    assert not Space(alone, None, Constraints(100, {})).shares
    one, other = (search_ensemble(each, budget_bytes=120).to_dict() for each in (plain, alone))
    assert one == other


def test_a_pool_keeps_its_groups_on_disk(tmp_path):
    _, together = shared_case()
    together.write(tmp_path)
    read = CandidatePool.read(tmp_path)
    assert [c.shared for c in read.candidates] == [c.shared for c in together.candidates]
    assert "shared" not in (tmp_path / "m5.json").read_text()  # files without groups are what they were
    assert read.take(np.arange(3)).candidates[0].shared == {"body": {"float16": 30}}


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        ({"body": {"float16": 41}}, "a part of the 40 bytes at float16; got 41"),
        ({"body": {"int8": 4}}, r"precisions that have a size \(float16\); got 'int8'"),
        ({"body": {"float16": 0}}, "positive whole number of bytes at float16; got 0"),
        ({"body": {"float16": True}}, "got True"),
        ({"body": 7}, "needs bytes by precision; got 7"),
        ({"a/b": {"float16": 7}}, "'a/b'"),
        ([], r"groups of tensors with their bytes; got \[\]"),
    ],
)
def test_groups_that_make_no_sense_are_one_sentence(shared, message):
    with pytest.raises(PoolError, match=message):
        Candidate("m", {"float16": 40}, lists(0), shared=shared)


def test_a_group_of_other_bytes_in_another_candidate_is_refused():
    candidates = [
        Candidate(name, {"float16": 40}, lists(0), shared={"body": {"float16": size}})
        for name, size in (("a", 7), ("b", 8))
    ]
    with pytest.raises(PoolError, match=r"group body must take the same bytes .* at float16; got 7 in a and 8 in b"):
        CandidatePool(Labels.from_dense(IDS, np.eye(2, 25, dtype=bool)), candidates)
