"""Whether a worker process may train one trial after the other.

Starting one costs some ten seconds for TensorFlow's import, which matters beside small trials. But TensorFlow keeps the
graphs of custom gradients, and with them a trained model's variables, until the process ends: about 4.4 times the
model's float32 bytes a trial were seen to stay. Large models therefore get a process of their own.
"""

from __future__ import annotations

from gapsack.sweep.grid.plan import plan
from gapsack.sweep.grid.schema import Grid

KEPT_COPIES = 5
"""Times its float32 bytes that a finished model leaves in its process, rounded up."""

KEPT_BYTES = 2**30
"""What finished trials may leave behind in one process, if it trained them all."""


def workers_are_reused(grid: Grid) -> bool:
    """Whether all trials of the grid, one after the other in one process, would leave little enough behind."""
    sizes = [trial.size_bytes["float32"] for trial in plan(grid)]
    sampler = grid.search.sampler
    total_bytes = sum(sizes) if sampler is None else max(sizes) * sampler.trials
    return KEPT_COPIES * total_bytes <= KEPT_BYTES
