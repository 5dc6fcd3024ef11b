"""Searches of splits of a pool's videos, and differences that are paired by split or seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gapsack.selection.errors import BudgetError
from gapsack.selection.pool import CandidatePool
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.search import search_ensemble
from gapsack.sweep.graphs.reserve import Reserve

TUNED = 0.5


def searched(pool: CandidatePool, budget_bytes: int, seed: int, **options: Any) -> Ensemble | None:
    """The best ensemble of one split, half of the videos choosing and half reporting; None where nothing fits."""
    try:
        reserve = Reserve.of(pool).options()
        return search_ensemble(pool, budget_bytes=budget_bytes, tune_share=TUNED, seed=seed, **reserve, **options)
    except BudgetError:
        return None


def held_out_gap(ensemble: Ensemble) -> float:
    """GAP on the half that reports."""
    assert ensemble.held_out is not None
    return float(ensemble.held_out["gap"])


def members_text(ensemble: Ensemble) -> str:
    """Weights, names and precisions of all members."""
    return " + ".join(f"{member.weight:.2f} {member.name} {member.precision}" for member in ensemble.members)


def mean_text(differences: Sequence[float] | NDArray[np.float64]) -> str:
    """The mean of paired differences, and its standard error."""
    error = np.std(differences, ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else float("nan")
    return f"{np.mean(differences):+.5f} ± {error:.5f}"
