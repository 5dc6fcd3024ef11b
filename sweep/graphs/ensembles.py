"""Where an ensemble lies, and what its file says beside what the search found."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.selection.units import MIB


def budget_bytes(budget_mb: float) -> int:
    """A budget in MB, which are MiB, in bytes.

    Raises:
        InputError: not above zero.
    """
    if not budget_mb > 0:
        raise InputError(f"expected a budget above 0 MB, got {budget_mb:g}")
    return int(budget_mb * MIB)


def write_ensemble(record: dict[str, Any], path: Path, pool: Path) -> dict[str, Any]:
    """Write `ensemble.json` with the way to its pool, so that `select build` finds the members."""
    record = {**record, "pool": os.path.relpath(pool, path.absolute().parent)}
    replace_json(path, record)
    return record
