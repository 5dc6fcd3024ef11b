from __future__ import annotations

import numpy as np
import pytest

from gapsack.selection.blend.polish import COARSE_STEPS, along_axes, between_pairs, pattern, quick
from gapsack.selection.blend.score import BlendScore
from gapsack.selection.blend.weights import Products
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
