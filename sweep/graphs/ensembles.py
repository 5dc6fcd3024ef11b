"""Where an ensemble lies, and what its file says beside what the search found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.storage.mirrored import way_to


def write_ensemble(chosen: Ensemble, path: Path, pool: Path) -> Ensemble:
    """Write `ensemble.json` with the way to its pool, so that `select build` finds the members; as it was written."""
    written = replace(chosen, pool=way_to(pool, path.absolute().parent))
    written.write(path)
    return written
