"""Where a stream of batches stands: plain data, from which it goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

from gapsack.sweep.data.tfrecord.framing import Position


class Lane(NamedTuple):
    """A file (its index in the list) and the place in it where reading goes on."""

    file: int
    position: Position


class WindowStart(NamedTuple):
    """Everything that what follows depends on.

    `taken`: how many files of the epoch's order are in lanes or done; `counted`: the state of `Faults` up to here.
    """

    epoch: int
    window: int
    taken: int
    lanes: tuple[Lane, ...]
    counted: dict[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        """Which window this is; later ones are greater."""
        return self.epoch, self.window

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self._asdict(), "lanes": [[lane.file, *lane.position] for lane in self.lanes]}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> WindowStart:
        """The inverse of `to_json`."""
        lanes = tuple(Lane(file, Position(offset, index)) for file, offset, index in plain["lanes"])
        return cls(plain["epoch"], plain["window"], plain["taken"], lanes, plain["counted"])


class Place(NamedTuple):
    """A place between two batches: the window that goes on there, and the number of the batch that comes next.

    `row`: how many of the window's records lie before, faulty ones included, in the order in which it is served;
    `checked`: whether the window was, since faults among these would not be met again.
    """

    start: WindowStart
    row: int
    batch: int
    checked: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self._asdict(), "start": self.start.to_json()}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Place:
        """The inverse of `to_json`."""
        return cls(WindowStart.from_json(plain["start"]), plain["row"], plain["batch"], plain["checked"])
