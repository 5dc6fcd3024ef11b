"""The labels of the size-score plane, placed for one width at a time: they are as wide on a phone as on a desk."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gapsack.dashboards.figures.labels import Box, Label, place_labels, shortened
from gapsack.dashboards.figures.plane import PlaneInfo, PlanePoint
from gapsack.dashboards.figures.theme import Theme
from gapsack.dashboards.units import budget_text, gap_text, plain, plural
from gapsack.selection.units import MIB, mib

HEIGHT = 520
MARGIN = {"l": 76, "r": 20, "t": 12, "b": 56}
IMAGE_WIDTH = 960
WIDTHS = (320, 340, 358, 380, 400, 440, 480, 560, 640, 720, 800, 880, 960, 1040, 1120, 1200)
"""Widths in pixels that a page draws the plane at: the widest of these that it has room for."""
SHORT_NAMES = (24, 16, 10)
"""Letters to which a name is shortened where it finds no room, one after the other."""
NOTE_HEIGHT = 22
MOST_MODELS = 8
"""Names of models beside the members': more would fill the plane with them."""
RADII = {"model": 4.0, "ensembles": 4.0, "member": 7.0, "ensemble": 9.0}


@dataclass(frozen=True)
class PlaneFrame:
    """Where sizes and scores are in pixels.

    Args:
        log_sizes_mib: decimal logarithms of the sizes at the left and the right edge.
        scores: at the lower and the upper edge.
        width: of the figure with its margins.
    """

    log_sizes_mib: tuple[float, float]
    scores: tuple[float, float]
    width: int = IMAGE_WIDTH

    def at(self, width: int) -> PlaneFrame:
        """The same at another width."""
        return PlaneFrame(self.log_sizes_mib, self.scores, width)

    @property
    def box(self) -> Box:
        """The inside of the axes."""
        return Box(MARGIN["l"], MARGIN["t"], self.width - MARGIN["r"], HEIGHT - MARGIN["b"])

    def x(self, size_bytes: float) -> float:
        """From the left edge of the figure."""
        start, end = self.log_sizes_mib
        return self.box.left + (math.log10(mib(size_bytes)) - start) / (end - start) * (self.box.right - self.box.left)

    def y(self, score: float) -> float:
        """From the upper edge of the figure."""
        start, end = self.scores
        return self.box.bottom - (score - start) / (end - start) * (self.box.bottom - self.box.top)


@dataclass(frozen=True)
class _Wanted:
    """A label, the point in the figure's own units that it stays with, its colour, and whether it may be left out."""

    label: Label
    size_bytes: float
    score: float
    colour: str
    optional: bool = False


def plane_annotations(info: PlaneInfo, frame: PlaneFrame, theme: Theme) -> list[dict[str, Any]]:
    """The labels that find room, as plotly's annotations, and a note of what is left out."""
    below = [f"↓ {plural(info.below, 'model')} below {gap_text(info.scores[0])}"] if info.below else []
    placed, lacking = _placed(info, frame, theme, below)
    if lacking:
        # The note takes room itself, so all are placed again beside it.
        below = [f"{plural(lacking, 'label')} left out: see the table", *below]
        placed, _ = _placed(info, frame, theme, below)
    notes = [_note(text, place, theme) for place, text in enumerate(reversed(below))]
    return placed + notes


def _placed(info: PlaneInfo, frame: PlaneFrame, theme: Theme, notes: Sequence[str]) -> tuple[list[dict[str, Any]], int]:
    """The labels that find room above notes in the lower left corner, and how many that matter do not."""
    wanted, box = list(_wanted(info, frame, theme)), frame.box
    marks = list(_marks(info, frame))
    for place, text in enumerate(reversed(notes)):
        foot = box.bottom - NOTE_HEIGHT * place
        marks.append(Box(box.left, foot - NOTE_HEIGHT, box.left + Label(text, 0, 0, 0).width, foot))
    found = place_labels([each.label for each in wanted], marks, box, list(_lines(info, frame)))
    pairs = list(zip(wanted, found, strict=True))
    placed = [_annotation(each, *one, frame) for each, one in pairs if one is not None]
    return placed, sum(one is None and not each.optional for each, one in pairs)


def _wanted(info: PlaneInfo, frame: PlaneFrame, theme: Theme) -> Iterator[_Wanted]:
    """The most important first."""

    def point(text: str, at: PlanePoint, radius: float, colour: str, **style: Any) -> _Wanted:
        label = Label(text, frame.x(at.size_bytes), frame.y(at.gap), radius, **style)
        return _Wanted(label, at.size_bytes, at.gap, colour)

    single = None
    if info.ensemble is not None:
        one, single = info.ensemble, info.ensemble.single
        text, x, y = f"{one.label} {gap_text(one.gap)}", frame.x(one.size_bytes), frame.y(one.gap)
        label = Label(text, x, y, RADII["ensemble"], size=14, bold=True)
        yield _Wanted(label, one.size_bytes, one.gap, theme.ink)
    if info.budget_bytes is not None:
        foot = info.scores[0]
        label = Label(f"budget {budget_text(info.budget_bytes)}", frame.x(info.budget_bytes), frame.y(foot), 1)
        yield _Wanted(label, info.budget_bytes, foot, theme.muted)
    if single is not None and single.name not in {member.name for member in info.members}:
        text = f"{single.name} {gap_text(single.gap)}, best single"
        yield point(text, single, RADII["model"], theme.ink, shorter=_shorter(single, best=True))
    for member in info.members:
        best = single is not None and single.name == member.name
        text = f"{member.name} {gap_text(member.gap)}, best single" if best else member.name
        yield point(text, member, RADII["member"], theme.ink, bold=True, shorter=_shorter(member, best=best))
    yield from _of_line("best ensembles", info.ensemble_steps, frame, theme.accent)
    yield from _of_line("best single models", info.singles, frame, theme.muted)
    named = {member.name for member in info.members} | ({single.name} if single is not None else set())
    others = [each for each in info.frontier if each.name not in named and each.gap >= info.scores[0]]
    for other in sorted(others, key=lambda each: -each.gap)[:MOST_MODELS]:
        short = tuple(shortened(other.name, most) for most in SHORT_NAMES if most < len(other.name))
        yield replace(point(other.name, other, RADII["model"], theme.muted, size=11, shorter=short), optional=True)


def _shorter(at: PlanePoint, *, best: bool) -> tuple[str, ...]:
    """What a label of a model may say with less room."""
    names = [shortened(at.name, most) for most in SHORT_NAMES if most < len(at.name)]
    if not best:
        return tuple(names)
    score = gap_text(at.gap)
    return f"{at.name} {score}", *(f"{name} {score}" for name in names), *names


def _of_line(text: str, steps: Sequence[tuple[int, float]], frame: PlaneFrame, colour: str) -> Iterator[_Wanted]:
    """A line's label: at the middle of its longest level part that is shown."""
    ends = [*(frame.x(size) for size, _ in steps[1:]), frame.box.right][: len(steps)]
    parts = [
        (end - frame.x(size), size, score, end)
        for (size, score), end in zip(steps, ends, strict=True)
        if score >= frame.scores[0]
    ]
    if not parts:
        return
    _, size, score, end = max(parts)
    middle = (frame.x(size) + end) / 2
    start, last = frame.log_sizes_mib
    share = (middle - frame.box.left) / (frame.box.right - frame.box.left)
    size_bytes = MIB * 10 ** (start + share * (last - start))
    yield _Wanted(Label(text, middle, frame.y(score), 2), size_bytes, score, colour)


def _marks(info: PlaneInfo, frame: PlaneFrame) -> Iterator[Box]:
    low = info.scores[0]
    kinds = (
        ("model", [(each.size_bytes, each.gap) for each in info.points]),
        ("ensembles", info.ensemble_steps),
        ("member", [(each.size_bytes, each.gap) for each in info.members]),
        ("ensemble", [(info.ensemble.size_bytes, info.ensemble.gap)] if info.ensemble is not None else []),
    )
    for kind, points in kinds:
        yield from (Box.around(frame.x(size), frame.y(score), RADII[kind]) for size, score in points if score >= low)


def _lines(info: PlaneInfo, frame: PlaneFrame) -> Iterator[Box]:
    for steps in (info.ensemble_steps, info.singles):
        xs = [*(frame.x(size) for size, _ in steps), frame.box.right]
        ys = [frame.y(score) for _, score in steps]
        for (start, end), y in zip(itertools.pairwise(xs), ys, strict=True):
            yield Box(start, y - 1, end, y + 1)
        for x, (before, after) in zip(xs[1:], itertools.pairwise(ys), strict=False):
            yield Box(x - 1, min(before, after), x + 1, max(before, after))
    if info.budget_bytes is not None:
        x = frame.x(info.budget_bytes)
        yield Box(x - 1, frame.box.top, x + 1, frame.box.bottom)


def _annotation(wanted: _Wanted, label: Label, box: Box, frame: PlaneFrame) -> dict[str, Any]:
    """Held by the side that is towards its point, since a text may be narrower than its box."""
    if box.right <= label.x:
        anchor, x = "right", box.right
    elif box.left >= label.x:
        anchor, x = "left", box.left
    else:
        anchor, x = "center", (box.left + box.right) / 2
    return {
        "x": math.log10(mib(wanted.size_bytes)),  # annotations on a logarithmic axis are placed by exponent
        "y": wanted.score,
        "text": f"<b>{plain(label.text)}</b>" if label.bold else plain(label.text),
        "xanchor": anchor,
        "yanchor": "middle",
        "xshift": round(x - label.x, 1),
        "yshift": round(label.y - (box.top + box.bottom) / 2, 1),
        "showarrow": False,
        "borderpad": 0,
        "font": {"color": wanted.colour, "size": label.size},
    }


def _note(text: str, place: int, theme: Theme) -> dict[str, Any]:
    """A line in the lower left corner, the lowest of place 0."""
    corner = {"x": 0, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    corner |= {"yshift": NOTE_HEIGHT * place} if place else {}
    return {**corner, "text": text, "showarrow": False, "font": {"color": theme.muted, "size": 12}}
