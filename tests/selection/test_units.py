from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapsack.selection.errors import BudgetError
from gapsack.selection.units import MAX_SIZE_BYTES, MIB, bytes_of_budget, mib, per_mib_text


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.0, "0"),
        (2.6e-06, "0.0000026"),
        (0.000335, "0.00034"),
        (0.0021, "0.0021"),
        (0.5, "0.5"),
        (1.0, "1"),
        (123.4, "123"),
    ],
)
def test_what_a_mib_is_worth_has_two_digits_and_no_exponent(score, text):
    assert per_mib_text(score) == text


@given(st.floats(1e-12, 1e6))
def test_two_digits_are_within_five_hundredths(score):
    assert float(per_mib_text(score)) == pytest.approx(score, rel=0.051)
    assert "e" not in per_mib_text(score)


def test_a_mb_is_a_mib():
    assert mib(3 * MIB) == 3.0


def test_a_budget_is_whole_bytes():
    assert bytes_of_budget(1.5) == 3 * MIB // 2
    assert bytes_of_budget(1e-6) == 1
    assert bytes_of_budget(MAX_SIZE_BYTES / MIB) == MAX_SIZE_BYTES


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan"), float("inf"), 2 * MAX_SIZE_BYTES / MIB])
def test_other_budgets_are_told(budget):
    with pytest.raises(BudgetError, match="expected a budget .* MB, got " + re.escape(f"{budget:g}")):
        bytes_of_budget(budget)
