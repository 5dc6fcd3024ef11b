"""Units of sizes. The challenge's "MB" is a MiB, and so is every MB here."""

from __future__ import annotations

from gapsack.selection.errors import BudgetError

MIB = 2**20
"""Bytes of a MiB."""

MAX_SIZE_BYTES = 2**62
"""More than any disk; sums of sizes stay within 64 bits."""


def mib(size_bytes: float) -> float:
    """Bytes in MiB."""
    return size_bytes / MIB


def bytes_of_budget(budget_mib: float) -> int:
    """A budget in MiB as whole bytes. Raises a BudgetError when it is not above zero, or more than any disk."""
    if not budget_mib > 0:
        raise BudgetError(f"expected a budget above 0 MB, got {budget_mib:g}")
    if not budget_mib * MIB <= MAX_SIZE_BYTES:
        raise BudgetError(f"expected a budget of at most {MAX_SIZE_BYTES // MIB} MB, got {budget_mib:g}")
    return int(budget_mib * MIB)
