"""What several requests share, computed by the first who wants it while others wait."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")


class Kept(Generic[T]):
    """The ``most`` values that were last asked for, by key. A copy in another process begins without any."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[Kept[T]], tuple[int]]:
        return type(self), (self.most,)

    def __len__(self) -> int:
        return len(self._values)

    def drop(self, key: Hashable) -> None:
        """Keep the value of a key no longer."""
        with self._lock:
            self._values.pop(key, None)
            self._making.pop(key, None)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made when it is not kept."""
        with self._lock:
            mine = self._making.setdefault(key, Lock())
        with mine:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]
            made = make()
            with self._lock:
                self._values[key] = made
                while len(self._values) > self.most:
                    self._making.pop(self._values.popitem(last=False)[0], None)
            return made
