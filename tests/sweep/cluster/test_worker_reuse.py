from __future__ import annotations

import pytest

from gapsack.sweep.cluster.worker_reuse import workers_are_reused
from gapsack.sweep.grid.schema import Grid

SMALL = {"grid": {"clusters": [4, 16], "hidden": [16, 32]}}
LARGE = {"grid": {"clusters": [16, 32], "hidden": [512, 1024]}}


def sampler(trials: int) -> dict[str, object]:
    return {"sampler": {"trials": trials, "space": {"clusters": {"choices": [4]}, "hidden": {"choices": [32]}}}}


@pytest.mark.parametrize(
    ("search", "classes", "reused"),
    [(SMALL, 40, True), (LARGE, 3862, False), (sampler(10), 40, True), (sampler(1000), 40, False)],
)
def test_workers_are_reused_for_small_trials_alone(search: dict[str, object], classes: int, reused: bool) -> None:
    content = {
        "name": "a",
        "data": {"level": "frame", "validate": ["*.tfrecord"], "classes": classes},
        "model": {"family": "gated_netvlad"},
        "search": search,
    }
    assert workers_are_reused(Grid.model_validate(content)) is reused
