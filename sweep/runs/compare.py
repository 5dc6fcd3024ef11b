"""Several runs beside each other: how good each has become, and in which settings they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gapsack.selection.errors import GapsackError
from gapsack.selection.pareto import dominated, score_in, size_at
from gapsack.selection.pool.files import read_records
from gapsack.selection.report.ensemble import Ensemble
from gapsack.sweep.grid.flat import flat_sections
from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.runs.status import RunState

OWN = ("name", "storage")
"""Settings in which any two runs differ."""


def run_figures(state: RunState) -> dict[str, Any]:
    """A run in one row: its trials, its best model alone, its pool and its ensemble, as far as there are such.

    Scores are GAP of the held-out videos; `ensemble_new_videos` is by the ensemble's metric, of videos that chose
    neither members nor weights, and `lead` how far that is ahead of the best single model.
    """
    best, precision = state.best, state.grid.budget.precision
    return {
        "run": state.run.name,
        "status": state.status,
        "done": state.count("done"),
        "wanted": state.wanted,
        "failed": state.count("failed"),
        "best": None if best is None else best.plan.name,
        "best_gap": None if best is None else best.gap,
        "best_bytes": None if best is None else best.plan.size_bytes.get(precision),
        **_pool_figures(state.run),
        **_ensemble_figures(state.run),
    }


def differing_settings(states: Sequence[RunState]) -> dict[str, list[Any]]:
    """Settings that are not the same in all runs: by dotted key, the value of each run; None where it has none."""
    settings = [flat_sections(state.grid.to_dict()) for state in states]
    names = dict.fromkeys(name for each in settings for name in each)
    values = {name: [each.get(name) for each in settings] for name in names if name not in OWN}
    return {name: found for name, found in values.items() if any(each != found[0] for each in found)}


def setting_text(value: object) -> str:
    """A setting as tables show it."""
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _pool_figures(run: RunFolder) -> dict[str, Any]:
    """How many models there are, and how many of them no smaller one is as good as; None where nothing says."""
    unknown = {"models": None, "pareto": None}
    if not run.pool.is_dir():
        return unknown
    try:
        records = read_records(run.pool)  # sizes and scores: the predictions, which may be gigabytes, say nothing here
        sizes = {each["name"]: size_at(each["name"], each["size_bytes"], None) for each in records}
        scores = {each["name"]: score_in(each["name"], each["metrics"], "gap") for each in records}
        return {"models": len(records), "pareto": len(records) - len(dominated(sizes, scores))} if records else unknown
    except GapsackError:  # damaged, as `sweep status` tells; the other runs are compared all the same
        return unknown


def _ensemble_figures(run: RunFolder) -> dict[str, Any]:
    """What ensemble.json says; None for each figure where there is none."""
    record = _ensemble(run)
    held_out, lead = record.get("held_out") or {}, record.get("difference_to_best_single") or {}
    return {
        "ensemble_members": len(record["members"]) if record else None,
        "ensemble_bytes": record.get("total_bytes"),
        "budget_bytes": record.get("budget_bytes"),
        "ensemble_gap": record.get("gap"),
        "ensemble_new_videos": held_out.get("score"),
        "lead": lead.get("difference"),
        "lead_error": lead.get("standard_error"),
    }


def _ensemble(run: RunFolder) -> dict[str, Any]:
    if not run.ensemble_file.exists():
        return {}
    try:
        return Ensemble.read(run.ensemble_file).to_dict()
    except GapsackError:
        return {}
