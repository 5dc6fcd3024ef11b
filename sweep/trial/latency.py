"""How long the model of a trial takes to answer one example, on the worker that publishes it."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from gapsack.sweep.runs.provenance import trial_environment

if TYPE_CHECKING:
    from gapsack.models.training import Trainer

WARM_UP = 5
"""Answers before those that are timed: the first ones compile, and fill caches."""

REPEATS = 50
"""Answers that are timed."""


@dataclass(frozen=True)
class Latency:
    """What was measured.

    Attributes:
        milliseconds: Median of `REPEATS` answers to one example, from its arrays in memory to its probabilities there.
        measured_on: The device and the host.
    """

    milliseconds: float
    measured_on: str


def latency_of(trainer: Trainer, example: Mapping[str, NDArray[Any]], tick: Callable[[], None]) -> Latency:
    """Time `trainer` on a batch of one example; `tick` is called before each answer, and what it raises ends it."""
    seconds = []
    for _ in range(WARM_UP + REPEATS):
        tick()
        began = time.perf_counter()
        trainer.predict_alone(example)
        seconds.append(time.perf_counter() - began)
    measured_on = f"{trial_environment()['device']} on {platform.node()}"
    return Latency(1000 * statistics.median(seconds[WARM_UP:]), measured_on)
