"""A small sweep with everything in it: a member pair, an inferior model, a failed, a skipped and a running trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gapsack.dashboards.records import (
    CurvePoint,
    DataFacts,
    FrontierPoint,
    SearchRecords,
    SeedPoint,
    SweepRecords,
    TrialRecord,
)
from gapsack.selection.report.ensemble import Ensemble

MIB = 2**20


@pytest.fixture
def trial() -> Callable[..., TrialRecord]:
    """Makes a finished trial of (clusters, hidden), its float16 size in MiB and its GAP."""

    def make(clusters: int, hidden: int, size_mib: float, gap: float | None, **changes: Any) -> TrialRecord:
        values: dict[str, Any] = {
            "name": f"K{clusters}-H{hidden}",
            "status": "done",
            "family": "gated_netvlad",
            "hyperparameters": {"clusters": clusters, "hidden": hidden, "classes": 3862},
            "parameters": round(size_mib * MIB / 2),
            "size_bytes": {"float32": round(2 * size_mib * MIB), "float16": round(size_mib * MIB)},
            "gap": gap,
        }
        return TrialRecord(**{**values, **changes})

    return make


@pytest.fixture
def ensemble() -> dict[str, Any]:
    """The content of an ensemble.json: two members within 10 MiB."""
    return {
        "format": "gapsack.ensemble/1",
        "members": [
            {"name": "K8-H64", "precision": "float16", "weight": 0.4, "size_bytes": 3 * MIB},
            {"name": "K16-H128", "precision": "float16", "weight": 0.6, "size_bytes": 6 * MIB},
        ],
        "blend": "probability",
        "reserve_bytes": MIB // 2,
        "total_bytes": 9 * MIB,
        "budget_bytes": 10 * MIB,
        "metric": "gap@20",
        "gap": 0.88,
        "held_out": {
            "gap": 0.879,
            "score": 0.879,
            "interval": [0.876, 0.882],
            "confidence": 0.95,
            "videos": 8750,
            "folds": [{"score": 0.8785}, {"score": 0.8801}],
        },
        "best_single": {"name": "K16-H128", "size_bytes": 6 * MIB, "gap": 0.87, "held_out_score": 0.8695},
        "runner_up": {"members": [{"name": "K8-H64"}, {"name": "K8-H128"}], "gap": 0.8796, "size_bytes": 7 * MIB},
        "difference_to_best_single": {"difference": 0.0095, "interval": [0.008, 0.011], "within_noise": False},
        "difference_to_runner_up": {"difference": 0.0002, "interval": [-0.001, 0.0014], "within_noise": True},
        "search": {"evaluations": 1234, "could_still_win": 0, "stop_reason": "Complete: all subsets were tried."},
    }


@pytest.fixture
def records(trial: Callable[..., TrialRecord], ensemble: dict[str, Any]) -> SweepRecords:
    curve = tuple(CurvePoint(step, 50 / step, None if step % 2 else 0.8 + step / 1000, 1e-4) for step in range(1, 21))
    return SweepRecords(
        name="small",
        trials=(
            trial(8, 64, 3, 0.86, curve=curve, gap_single=0.857, gap_averaged=0.86, averaging_range=(1000, 2000)),
            trial(8, 128, 4, 0.865, curve=curve),
            trial(16, 64, 5, 0.864, curve=curve),
            trial(16, 128, 6, 0.87, curve=curve),
            trial(32, 64, 7, None, status="failed", reason="The loss was not finite.", curve=curve[:5]),
            trial(32, 128, 12, None, status="skipped", reason="12.0 MiB is more than the budget of 10 MiB."),
            trial(64, 64, 8, None, status="running", curve=curve[:3]),
        ),
        inferior={"K16-H64": "K8-H128"},
        ensembles=(Ensemble.from_dict(ensemble),),
        frontier=(
            FrontierPoint(4 * MIB, 4 * MIB, 0.865, ("K8-H128",), 0.865),
            FrontierPoint(10 * MIB, 9 * MIB, 0.88, ("K8-H64", "K16-H128"), 0.8802),
        ),
        frontier_singles=tuple(
            FrontierPoint(size * MIB, size * MIB, gap, (name,), gap)
            for size, gap, name in ((3, 0.86, "K8-H64"), (4, 0.865, "K8-H128"), (6, 0.87, "K16-H128"))
        ),
        budget_bytes=10 * MIB,
        data=DataFacts("frame level", 3862, 100, 10, 17500),
        environment={"tensorflow": "2.21.0"},
        created="2026-11-20 14:03",
        search=SearchRecords(
            trials=("K8-H64", "K8-H128", "K16-H64", "K16-H128"),
            importances={"hidden": 0.75, "training.seed": 0.25},
            history={
                "data": [
                    {"type": "scatter", "mode": "markers", "x": [0, 1, 2, 3], "y": [0.86, 0.865, 0.864, 0.87]},
                    {"type": "scatter", "mode": "lines", "x": [0, 1, 2, 3], "y": [0.86, 0.865, 0.865, 0.87]},
                ]
            },
            slices={
                "data": [
                    {"type": "scatter", "mode": "markers", "x": [64, 128], "y": [0.86, 0.87]},
                    {
                        "type": "scatter",
                        "mode": "markers",
                        "x": [0, 1],
                        "y": [0.86, 0.87],
                        "xaxis": "x2",
                        "yaxis": "y2",
                    },
                ],
                "layout": {
                    "xaxis": {"domain": [0, 0.45], "title": {"text": "hidden"}},
                    "xaxis2": {"domain": [0.55, 1], "title": {"text": "training.seed"}},
                    "yaxis": {"title": {"text": "GAP@20"}},
                    "yaxis2": {"matches": "y", "showticklabels": False},
                },
            },
            sliced=("hidden", "training.seed"),
        ),
        seeds=(SeedPoint("K8-H64", (0.86, 0.862), 0.861, 0.0014), SeedPoint("K16-H64", (0.864,), 0.864, None)),
    )
