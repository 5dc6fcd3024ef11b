"""Memory that is used again: fresh pages cost as much time as filling them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.memory import on_a_line

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Buffers:
    """Hands out uninitialised arrays that begin on a 64-byte line.

    Takes their memory back once nothing refers to them or to a view of them. Never holds more arrays than were in use
    at one time. May be used from any thread.
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> NDArray[np.uint8]:
        """A uint8 array of `size_bytes`, whose content is arbitrary."""
        with self._lock:
            # The one given back last is the one most likely still in the processor's cache.
            fits = next((i for i in reversed(range(len(self._free))) if self._free[i].size >= size_bytes), None)
            memory = self._free.pop(fits if fits is not None else 0) if self._free else None
        if memory is None or memory.size < size_bytes:
            memory = on_a_line(size_bytes)
        return np.asarray(_Lease(self, memory, size_bytes))

    def give(self, memory: NDArray[np.uint8]) -> None:
        """Take memory back.

        Without the lock: the garbage collector may come here in the midst of `take`. One call of `append` is whole by
        itself, and moves none of the memory that `take` has seen.
        """
        self._free.append(memory)


class _Lease:
    """Owner of lent memory: numpy keeps it alive for as long as any view, and its end gives the memory back."""

    def __init__(self, buffers: Buffers, memory: NDArray[np.uint8], size_bytes: int) -> None:
        self._buffers, self._memory = buffers, memory
        self.__array_interface__: dict[str, Any] = dict(memory[:size_bytes].__array_interface__)

    def __del__(self) -> None:
        self._buffers.give(self._memory)
