"""Allowed subsets and their enumeration, beside all subsets tried one by one."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.selection.errors import BudgetError, InputError
from gapsack.selection.pool import Candidate, CandidatePool, Labels, Predictions
from gapsack.selection.subsets.enumeration import enumerate_subsets
from gapsack.selection.subsets.space import Constraints, Space

IDS = np.array(["a", "b"])


def lists(seed):
    return Predictions.from_dense(IDS, np.random.default_rng(seed).random((2, 25)))


def pool(sizes, own=(), latencies=None):
    """Candidates "m0", ... with sizes {precision: bytes}; those in ``own`` predict otherwise at int8."""
    candidates = [
        Candidate(
            f"m{i}",
            size,
            lists(i),
            {"int8": lists(100 + i)} if i in own and "int8" in size else {},
            {"latency": latencies[i]} if latencies else {},
        )
        for i, size in enumerate(sizes)
    ]
    return CandidatePool(Labels.from_dense(IDS, np.eye(2, 25, dtype=bool)), candidates)


@st.composite
def spaces(draw):
    count = draw(st.integers(1, 6))
    sizes = [{"float16": draw(st.integers(1, 9)), "int8": draw(st.integers(1, 9))} for _ in range(count)]
    own = draw(st.sets(st.integers(0, count - 1)))
    latencies = [draw(st.integers(0, 4)) for _ in range(count)]
    names = [f"m{i}" for i in range(count)]
    constraints = Constraints(
        room_bytes=draw(st.integers(1, 30)),
        limits={"latency": draw(st.integers(0, 12))} if draw(st.booleans()) else {},
        max_members=draw(st.sampled_from([None, 1, 2, 3])),
        must_have=tuple(draw(st.sets(st.sampled_from(names), max_size=1))),
        never_together=tuple(draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=2))),
    )
    return pool(sizes, own, latencies), constraints


@settings(max_examples=300, deadline=None)
@given(spaces())
def test_enumeration_agrees_with_trying_every_set_of_items(case):
    candidates, constraints = case
    try:
        space = Space(candidates, None, constraints)
    except BudgetError:
        return
    numbers = range(len(space.items))
    allowed = {s for n in numbers for s in combinations(numbers, n + 1) if naive_allowed(space, s)}
    maximal = {s for s in allowed if not any(set(s) < set(t) and len(t) == len(s) + 1 for t in allowed)}
    listed = enumerate_subsets(space)
    assert listed.feasible == len(allowed) + (0 if constraints.must_have else 1)  # the empty set is feasible too
    assert sorted(listed.maximal) == sorted(maximal)
    for subset in allowed:
        grown = {tuple(sorted((*subset, number))) for number in space.additions(subset)}
        assert grown == {t for t in allowed if set(subset) < set(t) and len(t) == len(subset) + 1}


@settings(max_examples=100, deadline=None)
@given(spaces(), st.integers(1, 30), st.integers(0, 3))
def test_with_sizes_alone_the_same_subsets_are_maximal(case, room, reserve):
    """There a look at the smallest others replaces one at all that may join."""
    try:
        space = Space(case[0], None, Constraints(room, limits={}, member_reserve_bytes=reserve))
    except BudgetError:
        return
    numbers = range(len(space.items))
    allowed = [s for n in numbers for s in combinations(numbers, n + 1) if space.is_allowed(s)]
    listed = enumerate_subsets(space)
    assert listed.feasible == len(allowed) + 1
    assert sorted(listed.maximal) == sorted(subset for subset in allowed if not space.additions(subset))


def naive_allowed(space, subset):
    items, limits = [space.items[n] for n in subset], space.constraints
    names = [item.name for item in items]
    return (
        len(set(names)) == len(names)
        and sum(item.size_bytes for item in items) <= limits.room_bytes
        and all(sum(i.costs[0] for i in items) <= bound for bound in limits.limits.values())
        and (limits.max_members is None or len(items) <= limits.max_members)
        and set(limits.must_have) <= set(names)
        and not any(len(set(group) & set(names)) > 1 for group in limits.never_together)
    )


def test_precisions_that_predict_the_same_are_one_item_at_the_smallest_size():
    space = Space(pool([{"float32": 8, "float16": 4, "int8": 2}], own={0}), None, Constraints(100, {}))
    assert [(item.precision, item.size_bytes) for item in space.items] == [("int8", 2), ("float16", 4)]
    assert len(space.columns) == 2
    only = Space(pool([{"float32": 8, "float16": 4}]), ("float32",), Constraints(100, {}))
    assert [item.precision for item in only.items] == ["float32"]


def test_enumeration_gives_up_beyond_its_limits():
    many = Space(pool([{"float16": 5}] * 12), None, Constraints(30, {}))
    assert len(enumerate_subsets(many).maximal) == 924
    assert enumerate_subsets(many, max_maximal=900) is None
    assert enumerate_subsets(many, max_steps=50) is None


def test_enumeration_gives_up_where_everything_fits_in_too_many_precisions():
    """All are one tail of the walk, which is its last step: what is not listed there is not taken for nothing."""
    sizes = {"float16": 2, "int8": 1}
    few = Space(pool([sizes] * 4, own=range(4)), None, Constraints(1000, {}))
    assert len(enumerate_subsets(few).maximal) == 2**4
    assert enumerate_subsets(few, max_maximal=15) is None
    many = Space(pool([sizes] * 17, own=range(17)), None, Constraints(1000, {}))
    assert len(many.items) == 34
    assert enumerate_subsets(many) is None


@pytest.mark.parametrize(
    ("constraints", "error", "message"),
    [
        (Constraints(3, {}), BudgetError, "smallest model takes 4 bytes; got a budget that leaves 3 bytes"),
        (Constraints(9, {}, must_have=("m0", "m1")), BudgetError, "take at least 10 bytes; got 9"),
        (Constraints(99, {}, must_have=("m0", "m1"), max_members=1), InputError, "2 members .*; got 1"),
        (Constraints(99, {}, must_have=("m0", "m1"), never_together=(("m0", "m1"),)), InputError, "m0 and m1"),
        (Constraints(99, {}, must_have=("nobody",)), InputError, "'nobody'"),
        (Constraints(99, {"latency": 1}), InputError, "latency needs a number"),
        (Constraints(99, {}, max_members=0), InputError, "got 0"),
    ],
)
def test_impossible_constraints_are_one_clear_sentence(constraints, error, message):
    with pytest.raises(error, match=message):
        Space(pool([{"float16": 4}, {"float16": 6}]), None, constraints)


def test_unknown_precisions_are_named():
    with pytest.raises(InputError, match=r"\(float16\); got int4"):
        Space(pool([{"float16": 4}]), ("int4",), Constraints(9, {}))
