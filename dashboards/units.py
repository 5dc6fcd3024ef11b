"""Numbers as people read them on a page, by the rules of `selection.decimals`; text that is safe inside a figure."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.selection.decimals import (
    MINUS,
    interval_error,
    measured_text,
    mib_number,
    score_decimals,
    score_text,
    signed_text,
)
from gapsack.selection.report.difference import Difference
from gapsack.selection.units import mib


def finite(value: object) -> float | None:
    """The value as a float, or None where it is missing, not a number, or infinite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def mib_text(size_bytes: float, digits: int | None = None) -> str:
    """``1,019.7 MiB``; pass `digits` to align a column."""
    return f"{mib_number(size_bytes, digits)} MiB"


def budget_text(budget_bytes: float) -> str:
    """``1,024 MiB``, ``698.9 MiB``: budgets are round numbers more often than not, and are shown as such."""
    size = mib(budget_bytes)
    return f"{size:,.0f} MiB" if size == round(size) else mib_text(budget_bytes)


def gap_text(gap: float, interval: Sequence[float] | None = None) -> str:
    """A score, with four decimals or as many as its interval is sure of."""
    return score_text(gap, score_decimals([interval_error(interval)]))


def difference_text(difference: float, decimals: int | None = None) -> str:
    """A signed difference of scores; without `decimals`, as many as show it."""
    return signed_text(difference, decimals, minus=MINUS)


def paired_text(gain: Difference, decimals: int | None = None) -> str:
    """``+0.3098 ± 0.0189``: a paired difference and its standard error."""
    return measured_text(gain.difference, gain.standard_error, decimals, minus=MINUS)


def interval_text(interval: tuple[float, float]) -> str:
    """``0.8790 to 0.8852``."""
    return " to ".join(gap_text(end, interval) for end in interval)


def difference_interval_text(interval: tuple[float, float], decimals: int | None = None) -> str:
    """``−0.0010 to +0.0014``."""
    digits = score_decimals([interval_error(interval)]) if decimals is None else decimals
    return " to ".join(difference_text(end, digits) for end in interval)


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
