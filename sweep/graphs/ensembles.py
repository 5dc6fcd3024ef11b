"""Where an ensemble lies, and what its file says beside what the search found."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.selection.pool.candidate import MAX_SIZE_BYTES
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.units import MIB


def budget_bytes(budget_mb: float) -> int:
    """A budget in MB, which are MiB, in bytes.

    Raises:
        InputError: not above zero, or more than any disk.
    """
    if not budget_mb > 0:
        raise InputError(f"expected a budget above 0 MB, got {budget_mb:g}")
    if not budget_mb * MIB <= MAX_SIZE_BYTES:
        raise InputError(f"expected a budget of at most {MAX_SIZE_BYTES // MIB} MB, got {budget_mb:g}")
    return int(budget_mb * MIB)


def write_ensemble(chosen: Ensemble, path: Path, pool: Path) -> Ensemble:
    """Write `ensemble.json` with the way to its pool, so that `select build` finds the members; as it was written."""
    written = replace(chosen, pool=os.path.relpath(pool, path.absolute().parent))
    written.write(path)
    return written
