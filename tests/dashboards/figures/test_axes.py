import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapsack.dashboards.figures.axes import logarithmic_ticks, score_axis, size_axis


@given(low=st.floats(1e-3, 1e4), factor=st.floats(1.01, 1e5))
def test_ticks_lie_inside_and_are_neither_few_nor_many(low: float, factor: float) -> None:
    high = low * factor
    ticks = logarithmic_ticks(low, high)
    slack = 1e-9 * high
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= 10


@pytest.mark.parametrize(("low", "high", "ticks"), [(80, 1100, [100, 150, 200, 300, 500, 700, 1000])])
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert logarithmic_ticks(low, high) == ticks


def test_a_size_axis_holds_its_sizes_with_room_to_spare() -> None:
    axis = size_axis([80, 1024], title="Size")
    low, high = axis["range"]
    assert low < math.log10(80)
    assert high > math.log10(1024)
    assert axis["ticktext"][-1] == "1,000"


@pytest.mark.parametrize("scores", [[], [0.874], [0.86, 0.88]])
def test_a_score_axis_is_never_empty(scores: list[float]) -> None:
    low, high = score_axis(scores, title="GAP")["range"]
    assert high - low >= 0.005
    assert all(low < score < high for score in scores)


def test_close_scores_get_one_more_digit() -> None:
    assert score_axis([0.8741, 0.8743], title="GAP")["tickformat"] == ".4f"
    assert score_axis([0.86, 0.88], title="GAP")["tickformat"] == ".3f"
