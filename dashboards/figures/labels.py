"""Labels beside marks: placed so that none lies on another or on a mark, and left out where nothing is free.

Positions around a mark are tried in a fixed order, the most important label first (greedy point-feature labelling, as
in Christensen, Marks and Shieber, ACM Transactions on Graphics 14(3), 1995). A label that is too long for what is free
is shortened before it is left out. All lengths are in pixels, y downwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

LETTER_SHARE = 0.6  # of the font size: the width of a letter, ample for the sans-serif fonts that the figures name
BOLD_SHARE = 0.66
LINE_HEIGHT = 1.3  # of the font size
DISTANCES = (3.0, 12.0, 24.0)  # between the edge of a mark and that of its label; the nearest that is free is taken

Side = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Box:
    """A rectangle, from left to right and from top to bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two have any area in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def inside(self, frame: Box) -> bool:
        """Whether no part of it is outside of `frame`."""
        return (
            self.left >= frame.left
            and self.right <= frame.right
            and self.top >= frame.top
            and self.bottom <= frame.bottom
        )

    @classmethod
    def around(cls, x: float, y: float, radius: float) -> Box:
        """The square that holds a round mark."""
        return cls(x - radius, y - radius, x + radius, y + radius)


@dataclass(frozen=True)
class Label:
    """A text that belongs to a point.

    Args:
        text: as it is shown, without markup.
        x: of the point.
        y: of the point.
        radius: of its mark.
        size: of the font.
        bold: whether it is.
        shorter: texts in its place where it finds no room, the best first.
    """

    text: str
    x: float
    y: float
    radius: float
    size: float = 12.0
    bold: bool = False
    shorter: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """An upper estimate: figures are placed without a browser to measure in."""
        return len(self.text) * self.size * (BOLD_SHARE if self.bold else LETTER_SHARE)

    @property
    def height(self) -> float:
        """Of its one line."""
        return self.size * LINE_HEIGHT


def place_labels(
    labels: Sequence[Label], marks: Sequence[Box], frame: Box, lines: Sequence[Box] = ()
) -> list[tuple[Label, Box] | None]:
    """Each label, with the text for which there is room, and where it goes; None for one that finds none.

    Args:
        labels: the most important first: it has the first choice.
        marks: what no label may lie on.
        frame: what every label stays in.
        lines: what a label lies on only where there is nowhere else.
    """
    taken: list[Box] = list(marks)
    placed: list[tuple[Label, Box] | None] = []
    for label in labels:
        versions = (replace(label, text=text) for text in (label.text, *label.shorter))
        found = ((each, _room(each, taken, frame, lines)) for each in versions)
        chosen = next(((each, box) for each, box in found if box is not None), None)
        placed.append(chosen)
        if chosen is not None:
            taken.append(chosen[1])
    return placed


def _room(label: Label, taken: Sequence[Box], frame: Box, lines: Sequence[Box]) -> Box | None:
    """The first position that is free, of lines too if there is one."""
    free = [box for box in _positions(label) if box.inside(frame) and not any(box.meets(other) for other in taken)]
    clear = (box for box in free if not any(box.meets(line) for line in lines))
    return next(clear, free[0] if free else None)


def shortened(name: str, most: int) -> str:
    """A name of at most so many letters: what its middle lacks is an ellipsis, since names differ at their ends."""
    if len(name) <= most:
        return name
    start = most // 2
    return f"{name[:start]}…{name[len(name) - (most - start - 1) :]}"


def _positions(label: Label) -> Iterator[Box]:
    """Above left first: there no model can be unless it dominates this one."""
    sides: tuple[tuple[Side, float], ...] = (
        ("left", -1),
        ("center", -1),
        ("left", 0),
        ("right", -1),
        ("right", 0),
        ("right", 1),
        ("center", 1),
        ("left", 1),
    )
    for distance, (side, up) in itertools.product(DISTANCES, sides):
        away = label.radius + distance
        # On a diagonal the corner of the label comes as near as an edge does elsewhere.
        aside = away if up == 0 else away * 0.7
        left = {
            "left": label.x - aside - label.width,
            "center": label.x - label.width / 2,
            "right": label.x + aside,
        }[side]
        drop = away if side == "center" else away * 0.7
        middle = label.y + up * (drop + label.height / 2)
        yield Box(left, middle - label.height / 2, left + label.width, middle + label.height / 2)
