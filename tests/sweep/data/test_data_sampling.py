from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from sweep.data.sampling import all_frames, at_random, evaluation_frames, evenly


@pytest.mark.parametrize("num_frames", [1, 2, 7, 150, 300])
@pytest.mark.parametrize("sample_frames", [1, 3, 30, 300, 301])
def test_evaluation_frames_are_the_middles_of_equal_parts(num_frames: int, sample_frames: int) -> None:
    expected = [floor((i + Fraction(1, 2)) * num_frames / sample_frames) for i in range(sample_frames)]
    assert evaluation_frames(num_frames, sample_frames).tolist() == expected
    assert evenly(np.array([num_frames]), sample_frames)[0].tolist() == expected


def test_random_frames_are_uniform_over_the_real_ones() -> None:
    counts = np.array([1, 3, 300])
    picks = at_random(counts, 30_000, (0, 1))
    assert picks.dtype == np.int64
    for row, count in zip(picks, counts, strict=True):
        observed = np.bincount(row, minlength=count)
        assert len(observed) == count
        expected = 30_000 / count
        # Chi-squared with count - 1 degrees of freedom: mean count - 1, six standard deviations.
        assert ((observed - expected) ** 2 / expected).sum() <= count - 1 + 6 * (2 * count) ** 0.5


def test_random_frames_repeat_by_seed() -> None:
    counts = np.array([20, 40])
    assert (at_random(counts, 50, (3, 2, 7)) == at_random(counts, 50, (3, 2, 7))).all()
    assert (at_random(counts, 50, (3, 2, 7)) != at_random(counts, 50, (3, 2, 8))).any()


def test_all_frames_pad_with_minus_one() -> None:
    assert all_frames(np.array([1, 3])).tolist() == [[0, -1, -1], [0, 1, 2]]
