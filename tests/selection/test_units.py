from __future__ import annotations

import re

import pytest

from gapsack.selection.errors import BudgetError
from gapsack.selection.units import MAX_SIZE_BYTES, MIB, bytes_of_budget, mib


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
