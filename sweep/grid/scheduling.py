"""The section `search.scheduler`: which trials are stopped early, and at which steps they are compared."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from gapsack.sweep.grid.section import Section

REDUCTION_FACTOR = 3.0
"""As in the paper on ASHA, where it is 4 or 3: of three trials at a rung one goes on."""

_DIGEST_BYTES = 8


class Scheduler(Section):
    """Stops trials early that others leave behind, by the GAP of the evaluations that training makes anyway.

    Attributes:
        kind: `asha` compares GAP at rungs, `mo_asha` size and GAP at rungs, `median` GAP at every evaluation.
        grace_steps: Steps before the first comparison; None is the first evaluation.
        reduction_factor: One trial in so many goes on from a rung, which is so many times the step of the one before.
        brackets: Groups of trials, each of which begins to be compared one rung later than the one before.
        publish_stopped: A trial that is stopped becomes a candidate of the pool, with what it has learnt by then.
    """

    kind: Literal["asha", "median", "mo_asha"]
    grace_steps: PositiveInt | None = None
    reduction_factor: Annotated[float, Field(gt=1, le=100)] = REDUCTION_FACTOR
    brackets: Annotated[int, Field(ge=1, le=10)] = 1
    publish_stopped: bool = False

    @model_validator(mode="after")
    def _median_has_no_rungs(self) -> Self:
        if self.kind == "median" and (self.reduction_factor != REDUCTION_FACTOR or self.brackets != 1):
            raise ValueError("expected reduction_factor and brackets with kind: asha or mo_asha, got kind: median")
        return self

    def first_step(self, evaluation_steps: int) -> int:
        """The step from which trials are compared."""
        return evaluation_steps if self.grace_steps is None else self.grace_steps

    def bracket_of(self, trial: str) -> int:
        """The bracket of a trial, from 0; by its name alone, so that it is the same whenever and wherever it runs.

        As in Ray Tune a bracket has e times as many trials as the next one, which has a rung less.
        """
        shares = [math.exp(-bracket) for bracket in range(self.brackets)]
        digest = hashlib.sha256(trial.encode()).digest()[:_DIGEST_BYTES]
        drawn = int.from_bytes(digest) / 256**_DIGEST_BYTES * sum(shares)
        for bracket, share in enumerate(shares):
            drawn -= share
            if drawn < 0:
                return bracket
        return self.brackets - 1

    def rung_at(self, step: int, bracket: int, evaluation_steps: int) -> int | None:
        """The highest rung that a trial has come to with an evaluation at `step`, from 0; None before the first.

        A rung is met at the first evaluation at or after its step, so that none is made for it. With `median` each
        evaluation after the grace steps is one.
        """
        first = self.first_step(evaluation_steps)
        if step < first:
            return None
        if self.kind == "median":
            return (step - first) // evaluation_steps
        rung = bracket
        while self.rung_step(rung, evaluation_steps) <= step:
            rung += 1
        return None if rung == bracket else rung - 1

    def rung_step(self, rung: int, evaluation_steps: int) -> float:
        """The step of a rung of `asha` and `mo_asha`."""
        return self.first_step(evaluation_steps) * self.reduction_factor**rung


def _by_name(given: object) -> object:
    """A kind alone is a scheduler with its defaults, and `none` is none."""
    return None if given == "none" else {"kind": given} if isinstance(given, str) else given


AnyScheduler = Annotated[Scheduler | None, BeforeValidator(_by_name)]
"""A scheduler, or none; in a file also the name of a kind."""


def scheduler_problem(scheduler: Scheduler, training: Any, axes: Iterable[str]) -> str | None:
    """Why a scheduler does not go with a training section and what varies of it, as a sentence; None where it does."""
    interval = training.evaluation_steps or training.checkpoint_steps
    if max(scheduler.first_step(interval), interval) >= training.steps:
        return (
            f"expected search.scheduler to compare trials before their last step, got {training.steps} steps, "
            f"an evaluation every {interval} and {scheduler.first_step(interval)} steps of grace"
        )
    prunes = training.pruning is not None or any(axis.startswith("training.pruning") for axis in axes)
    if scheduler.publish_stopped and prunes:
        return "expected publish_stopped without training.pruning, whose weights are not pruned before its last step"
    return None
