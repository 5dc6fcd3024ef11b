from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from gapsack.sweep.data.sampling import FrameChoice, all_frames, at_random, choose, evaluation_frames, evenly


def chosen(choice: FrameChoice, counts: list[int]) -> list[list[int]]:
    """The frames of each video that has so many, in the order of the places that they fill."""
    rows = []
    for draws, count in zip(choice.draws, counts, strict=True):
        times = np.full(count, 99)
        choose(choice.way, choice.places, draws, count, times)
        rows.append(np.repeat(np.arange(count), times).tolist())
    return rows


@pytest.mark.parametrize("num_frames", [1, 2, 7, 150, 300])
@pytest.mark.parametrize("sample_frames", [1, 3, 30, 300, 301])
def test_evaluation_frames_are_the_middles_of_equal_parts(num_frames: int, sample_frames: int) -> None:
    expected = [floor((i + Fraction(1, 2)) * num_frames / sample_frames) for i in range(sample_frames)]
    assert evaluation_frames(num_frames, sample_frames).tolist() == expected
    assert chosen(evenly(1, sample_frames), [num_frames]) == [expected]


def test_random_frames_are_uniform_over_the_real_ones_and_in_order() -> None:
    counts = [1, 3, 300]
    for row, count in zip(chosen(at_random(3, 30_000, (0, 1)), counts), counts, strict=True):
        assert len(row) == 30_000
        assert row == sorted(row)
        observed = np.bincount(row, minlength=count)
        assert len(observed) == count
        expected = 30_000 / count
        # Chi-squared with count - 1 degrees of freedom: mean count - 1, six standard deviations.
        assert ((observed - expected) ** 2 / expected).sum() <= count - 1 + 6 * (2 * count) ** 0.5


def test_random_frames_repeat_by_seed() -> None:
    counts = [20, 40]
    assert chosen(at_random(2, 50, (3, 2, 7)), counts) == chosen(at_random(2, 50, (3, 2, 7)), counts)
    assert chosen(at_random(2, 50, (3, 2, 7)), counts) != chosen(at_random(2, 50, (3, 2, 8)), counts)


def test_all_frames_come_once() -> None:
    assert chosen(all_frames(2, 3), [1, 3]) == [[0], [0, 1, 2]]
