"""Numbers as people read them: sizes in MiB, scores with four digits, and text that is safe inside a figure."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gapsack.selection.units import mib

MINUS = "−"  # as wide as "+", so that columns of differences align


def finite(value: object) -> float | None:
    """The value as a float, or None where it is missing, not a number, or infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def mib_digits(sizes_bytes: Iterable[float]) -> int:
    """Digits after the point that show the smallest of these sizes to about three figures (1 to 3)."""
    smallest = min((mib(size) for size in sizes_bytes if size > 0), default=100.0)
    return min(3, max(1, 2 - math.floor(math.log10(smallest))))


def mib_text(size_bytes: float, digits: int | None = None) -> str:
    """``1,019.7 MiB``; pass `digits` to align a column."""
    return f"{mib(size_bytes):,.{mib_digits([size_bytes]) if digits is None else digits}f} MiB"


def budget_text(budget_bytes: float) -> str:
    """``1,024 MiB``, ``698.9 MiB``: budgets are round numbers more often than not, and are shown as such."""
    size = mib(budget_bytes)
    return f"{size:,.0f} MiB" if size == round(size) else mib_text(budget_bytes)


def gap_text(gap: float) -> str:
    """A score with four digits: more would be noise on tens of thousands of videos."""
    return f"{gap:.4f}"


def difference_text(difference: float) -> str:
    """A signed difference of scores; five digits where four would hide it."""
    digits = 4 if abs(difference) >= 0.0005 else 5
    sign = MINUS if difference < 0 else "+"
    return f"{sign}{abs(difference):.{digits}f}"


def interval_text(low: float, high: float) -> str:
    """``0.8790 to 0.8852``."""
    return f"{gap_text(low)} to {gap_text(high)}"


def count_text(count: int) -> str:
    """Thousands apart: ``14,225``."""
    return f"{count:,}"


def short_count_text(count: float) -> str:
    """Millions and the like with one digit: ``198.4 M``."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.1f} {letter}"
    return f"{count:.0f}"


def step_text(step: int) -> str:
    """``120k`` for whole thousands, as axes write them; other steps in full."""
    return f"{step // 1000:,}k" if step and step % 1000 == 0 else f"{step:,}"


def share_text(share: float) -> str:
    """A share in percent; a small one is not shown as nothing."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def in_words(count: int) -> str:
    """Small numbers as words, for the start of a sentence."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if count < len(words) else count_text(count)


def plural(count: int, noun: str) -> str:
    """``1 trial``, ``28 trials``."""
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def plain(text: object) -> str:
    """Text for a figure. Plotly reads a subset of HTML in labels, so names of users are escaped."""
    return html.escape(str(text), quote=False)


def settings_text(settings: Mapping[str, Any]) -> str:
    """``clusters 16, hidden 512``."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())
