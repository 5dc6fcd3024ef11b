"""The section `search.scheduler`: what it takes, and where trials are compared."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gapsack.sweep.grid.scheduling import Scheduler
from gapsack.sweep.grid.schema import Grid


def grid(scheduler, *, training=None, axes=None):
    return Grid.model_validate(
        {
            "name": "run",
            "data": {"level": "video", "validate": ["v"], "classes": 10},
            "model": {"family": "gated_netvlad", "options": {"clusters": 2}},
            "search": {"grid": {"hidden": [4, 8], **(axes or {})}, "scheduler": scheduler},
            "training": {"steps": 100, "checkpoint_steps": 10, **(training or {})},
        }
    )


def test_a_kind_alone_has_the_defaults_and_none_is_none():
    assert grid("mo_asha").search.scheduler == Scheduler(kind="mo_asha")
    assert grid("none").search.scheduler is None
    assert grid(None).search.scheduler is None


@pytest.mark.parametrize(
    ("scheduler", "changes", "told"),
    [
        ("hyperband", {}, "'asha', 'median' or 'mo_asha'"),
        ({"kind": "median", "brackets": 2}, {}, "with kind: asha or mo_asha"),
        ({"kind": "asha", "reduction_factor": 1}, {}, "greater than 1"),
        ({"kind": "asha", "grace_steps": 100}, {}, "before their last step"),
        ("asha", {"training": {"evaluation_steps": 100}}, "before their last step"),
        (
            {"kind": "asha", "publish_stopped": True},
            {"training": {"pruning": {"sparsity": 0.5}}},
            "without training.pruning",
        ),
        (
            {"kind": "asha", "publish_stopped": True},
            {"axes": {"training.pruning.sparsity": [0.5, 0.75]}},
            "without training.pruning",
        ),
    ],
)
def test_what_makes_no_sense_is_told(scheduler, changes, told):
    with pytest.raises(ValidationError, match=told):
        grid(scheduler, **changes)


def test_rungs_are_met_at_the_first_evaluation_at_or_after_their_step():
    scheduler = Scheduler(kind="asha", grace_steps=15, reduction_factor=3)
    met = {step: scheduler.rung_at(step, 0, 10) for step in (10, 20, 30, 40, 50, 130, 140)}
    assert met == {10: None, 20: 0, 30: 0, 40: 0, 50: 1, 130: 1, 140: 2}
    assert scheduler.rung_at(40, 1, 10) is None, "the second bracket begins a rung later"
    assert scheduler.rung_at(50, 1, 10) == 1


def test_brackets_have_fewer_trials_one_after_the_other_and_stay_what_they_are():
    scheduler = Scheduler(kind="asha", brackets=3)
    drawn = [scheduler.bracket_of(f"K{n}") for n in range(3000)]
    counts = [drawn.count(bracket) for bracket in range(3)]
    assert counts[0] > 2 * counts[1] > 4 * counts[2] > 0
    assert drawn == [scheduler.bracket_of(f"K{n}") for n in range(3000)]
