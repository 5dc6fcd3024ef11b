import math

import pytest

from gapsack.dashboards import units
from gapsack.selection.units import MIB


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (381.40 * MIB, "381.4 MiB"),
        (1019.7 * MIB, "1,019.7 MiB"),
        (10 * MIB, "10.0 MiB"),
        (2.754 * MIB, "2.75 MiB"),
        (0.128 * MIB, "0.128 MiB"),
        (0, "0.0 MiB"),
    ],
)
def test_sizes_show_about_three_figures(size_bytes: float, text: str) -> None:
    assert units.mib_text(size_bytes) == text


def test_whole_budgets_have_no_digits() -> None:
    assert units.budget_text(1024 * MIB) == "1,024 MiB"
    assert units.budget_text(698.9 * MIB) == "698.9 MiB"


@pytest.mark.parametrize(
    ("difference", "text"), [(0.0077, "+0.0077"), (-0.0123, "−0.0123"), (0.00012, "+0.00012"), (0.0, "0.0000")]
)
def test_differences_keep_their_sign_and_are_not_rounded_away(difference: float, text: str) -> None:
    assert units.difference_text(difference) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, "0.5", True])
def test_what_is_not_a_finite_number_is_none(value: object) -> None:
    assert units.finite(value) is None


def test_a_small_share_is_not_shown_as_nothing() -> None:
    assert units.share_text(0.0002) == "<0.1%"
    assert units.share_text(0.0) == "0.0%"
    assert units.share_text(0.372) == "37.2%"


def test_steps_are_short_where_that_loses_nothing() -> None:
    assert [units.step_text(step) for step in (0, 120_000, 1_500, 2_000)] == ["0", "120k", "1,500", "2k"]


def test_names_of_users_are_no_markup_in_figures() -> None:
    assert units.plain("<b>K&H</b>") == "&lt;b&gt;K&amp;H&lt;/b&gt;"
