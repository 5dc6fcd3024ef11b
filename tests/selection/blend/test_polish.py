from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapsack.selection.blend.polish import (
    COARSE_STEPS,
    FINE_STEPS,
    GAIN,
    MAX_PASSES,
    along_axes,
    between_pairs,
    pattern,
    quick,
)
from gapsack.selection.blend.probes import AHEAD
from gapsack.selection.blend.score import BlendScore
from gapsack.selection.blend.weights import Products, on_simplex
from gapsack.selection.gap import gap_at_k
from gapsack.selection.metrics.objectives import Gap


def answered(climb, score):
    """A search's outcome, its points scored one by one."""
    requests = next(climb)
    try:
        while True:
            requests = climb.send([probe.ended([score(point) for point in probe.points]) for probe in requests])
    except StopIteration as end:
        return end.value


def test_polishing_never_loses_and_ends_on_the_simplex(case):
    scores, labels, rows = case
    products = Products.of(rows)
    score = BlendScore(rows, Gap(), np.arange(4))
    start = np.full(4, 0.25)
    for climb in (
        quick(start, products.conjugate_directions(np.arange(4))),
        pattern(start, COARSE_STEPS, along_axes(range(4))),
        pattern(start, COARSE_STEPS, between_pairs(range(4))),
    ):
        weights, best = answered(climb, score)
        assert best >= score(start)
        assert best == pytest.approx(gap_at_k(np.tensordot(weights, scores, 1), labels), abs=1e-9)
        assert weights.sum() == pytest.approx(1.0)
        assert (weights >= 0).all()


@pytest.mark.parametrize("moves", [along_axes, between_pairs])
def test_moves_stay_on_the_simplex_whatever_they_start_from(moves):
    for start in (np.array([0.5, 0.3, 0.2]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.4, 0.6])):
        reached = [moved for move in moves(range(3)) if (moved := move(start, 0.7)) is not None]
        assert reached
        for moved in reached:
            assert moved.sum() == pytest.approx(1.0)
            assert (moved >= 0.0).all()
            assert np.abs(moved - start).max() > 0.0


@pytest.mark.parametrize("own", [1.0 - 2.0**-53, 1.0 - 1e-15, 1e-17])
def test_a_member_with_nearly_everything_gives_to_others_what_it_loses(own):
    """Where 1 - own is all rounding, so is what it divides."""
    start = np.array([own, 3e-17, 0.0])
    for move in along_axes(range(3)):
        moved = move(start, 0.1)
        if moved is not None:
            assert moved.sum() == pytest.approx(1.0, abs=1e-12)
            assert (moved >= 0.0).all()


def one_by_one(start, steps, moves, score):
    """The pattern search as its definition has it: one point at a time, pass after pass."""
    weights = on_simplex(start)
    best, asked = score(weights), 1
    for step in steps:
        for _ in range(MAX_PASSES):
            before, place, share = best, 0, step
            while place < len(moves):
                moved = moves[place](weights, share)
                reached = -np.inf if moved is None else score(moved)
                asked += moved is not None
                if reached > best + GAIN:
                    weights, best, share = moved, reached, 2.0 * share
                else:
                    place, share = place + 1, step
            if best <= before + GAIN:
                break
    return weights, best, asked


@settings(max_examples=40, deadline=None, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    members=st.integers(2, 6),
    levels=st.sampled_from([20, 300, 10**6]),
    moves_of=st.sampled_from([along_axes, between_pairs]),
)
def test_a_pattern_search_asks_in_full_batches_and_ends_where_one_point_at_a_time_does(seed, members, levels, moves_of):
    rng = np.random.default_rng(seed)
    summit, slopes = rng.dirichlet(np.ones(members)), rng.normal(size=(3, members))

    def score(weights):
        smooth = -((weights - summit) ** 2).sum() + 0.01 * np.sin(40.0 * slopes @ weights).sum()
        return float(np.floor(levels * smooth) / levels)  # as GAP, flat but for its steps

    start, moves = rng.dirichlet(np.full(members, 0.4)), moves_of(range(members))
    weights, best, asked = one_by_one(start, FINE_STEPS, moves, score)
    climb = pattern(start, FINE_STEPS, moves)
    (probe,) = next(climb)
    scored, since_gain, ended = 0, set(), False
    try:
        while True:
            assert not ended
            answer = probe.ended([score(point) for point in probe.points])
            ended = scored > 0 and len(probe.points) < AHEAD and answer[-1] <= probe.above
            scored += len(answer)
            points = {point.tobytes() for point in probe.points}
            assert len(points) == len(probe.points)
            assert not points & since_gain
            since_gain = set() if answer[-1] > probe.above else since_gain | points
            (probe,) = climb.send([answer])
    except StopIteration as end:
        found, reached = end.value
    np.testing.assert_array_equal(found, weights)
    assert reached == best
    assert scored <= asked
