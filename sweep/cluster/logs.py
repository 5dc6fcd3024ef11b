"""Whether what Ray and its workers log is kept: processes are told by their environment, as they start one another."""

from __future__ import annotations

import os

VERBOSE = "GAPSACK_VERBOSE"
"""A variable that is set, to anything, where logs of libraries are wanted."""


def logs_are_wanted() -> bool:
    """Whether Ray is to log what it and its workers do, and the log is to stay."""
    return bool(os.environ.get(VERBOSE))
