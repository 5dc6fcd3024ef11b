"""Whether the latencies of a pool's candidates can be compared: only those of one machine can."""

from __future__ import annotations

from collections.abc import Iterable

from gapsack.selection.pool import Candidate

LATENCY = "latency_ms"
MEASURED_ON = "latency_measured_on"
"""Among a candidate's metrics: milliseconds, and the device and host where they were measured."""


def latencies_notice(candidates: Iterable[Candidate]) -> str | None:
    """A sentence where latencies were measured on different machines; None where none or one is known."""
    machines = sorted({str(each.metrics[MEASURED_ON]) for each in candidates if MEASURED_ON in each.metrics})
    if len(machines) < 2:
        return None
    return f"{LATENCY} was measured on different machines, and does not compare: {'; '.join(machines)}."
