"""In which order files are read and the records of a window served: all that training and evaluation differ in."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LANES = 16
# Sub-streams of the seed.
FILE_ORDER, RECORD_ORDER, FRAME_CHOICE = range(3)


class Order(Protocol):
    """What decides it."""

    @property
    def lanes(self) -> int:
        """How many files are read side by side."""

    @property
    def endless(self) -> bool:
        """Whether the last epoch is followed by another."""

    def files(self, epoch: int, count: int) -> Sequence[int]:
        """Indices of all `count` files."""

    def rows(self, epoch: int, window: int, count: int) -> NDArray[np.int64]:
        """The `count` records of a window: int64 [count]."""


class Shuffled(NamedTuple):
    """Files in an order of each epoch's own, and each window's records in an order of its own, by `seed`."""

    seed: int
    lanes: int = LANES
    endless: bool = True

    def files(self, epoch: int, count: int) -> Sequence[int]:
        """As `Order`."""
        return _shuffled_files(self.seed, epoch, count)

    def rows(self, epoch: int, window: int, count: int) -> NDArray[np.int64]:
        """As `Order`."""
        return np.random.default_rng((self.seed, RECORD_ORDER, epoch, window)).permutation(count)


class InOrder(NamedTuple):
    """One pass, file by file, record by record."""

    lanes: int = 1
    endless: bool = False

    def files(self, epoch: int, count: int) -> Sequence[int]:
        """As `Order`."""
        return range(count)

    def rows(self, epoch: int, window: int, count: int) -> NDArray[np.int64]:
        """As `Order`."""
        return np.arange(count)


@lru_cache(maxsize=2)  # every window of an epoch asks
def _shuffled_files(seed: int, epoch: int, count: int) -> Sequence[int]:
    order: list[int] = np.random.default_rng((seed, FILE_ORDER, epoch)).permutation(count).tolist()
    return order
