"""Whether a loaded graph decodes its weights once: where they are few beside the memory that is free, or as asked."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gapsack.models.graph.output import DecodesOnce, Predictor

LARGEST_SHARE = 0.5
"""Of the free memory that weights decoded once may take, unless they are asked for."""

MEMORY_INFO = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")


@runtime_checkable
class TellsDecodedBytes(DecodesOnce, Protocol):
    """A loaded graph that knows, before it decodes, what that takes."""

    @property
    def decoded_bytes(self) -> int:
        """Memory that `decode` takes beside the stored weights."""


@dataclass(frozen=True)
class Decoding:
    """How a loaded graph decodes its weights.

    Attributes:
        once: Once, when it is loaded; otherwise for every batch.
        added_bytes: Memory that the decoded weights take, or would take; None of a graph that does not know.
        free_bytes: Memory that was free before; None where it was not looked at, or cannot be told.
    """

    once: bool
    added_bytes: int | None = None
    free_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def decoding_of(graph: Predictor, *, once: bool) -> Decoding:
    """What to tell of a graph that was loaded as a person asked."""
    return Decoding(once, _decoded_bytes(graph))


def decode_where_it_fits(graph: Predictor) -> Decoding:
    """Have a graph decode its weights once if they take at most `LARGEST_SHARE` of the free memory; tell whether.

    A graph that decodes as it runs, which those of other formats than a SavedModel do, is left as it is, and so is any
    where the system does not tell how much memory is free.
    """
    needed = _decoded_bytes(graph)
    if needed is None or not isinstance(graph, DecodesOnce):
        return Decoding(once=False)
    free = free_memory_bytes()
    fits = free is not None and needed <= LARGEST_SHARE * free
    if fits:
        graph.decode()
    return Decoding(fits, needed, free)


def _decoded_bytes(graph: Predictor) -> int | None:
    return graph.decoded_bytes if isinstance(graph, TellsDecodedBytes) else None


def free_memory_bytes() -> int | None:
    """Memory that this process can take without any being swapped; None where the system does not tell.

    The smaller of what Linux says is available and what a container's limit leaves; of other systems, half of all.
    """
    if not MEMORY_INFO.is_file():
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (ValueError, OSError):
            return None
    free = None
    for line in MEMORY_INFO.read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    left = _left_in_container()
    return left if free is None else free if left is None else min(free, left)


def _left_in_container() -> int | None:
    """What the limit of a control group leaves, with pages of files that can be dropped; None without a limit."""
    try:
        limit = (CONTROL_GROUP / "memory.max").read_text(encoding="ascii").strip()
        if limit == "max":
            return None
        used = int((CONTROL_GROUP / "memory.current").read_text(encoding="ascii"))
        lines = (CONTROL_GROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:  # another system, or the older control groups
        return None
    droppable = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return max(0, int(limit) - used + droppable)
