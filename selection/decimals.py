"""How numbers of one quantity are written: an estimate as long as its error, a column with one number of decimals.

Reports, terminals, notebooks and records all take it from here, so that a figure reads the same wherever it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gapsack.selection.units import mib

MINUS = "−"
"""As wide as "+", so that columns of differences align on a page; terminals keep the hyphen, which can be searched."""

SCORE_DECIMALS = 4
"""Of a score, at least: more would be noise on tens of thousands of items, unless an error says otherwise."""

MOST_SCORE_DECIMALS = 6
SIGNIFICANT = 2
"""Digits that matter of the smallest number of a column."""

LONG_ERROR = 3.55
"""An error below it, leaving the power of ten aside, has two digits that matter, and one from there on: a rounded
error is then never off by much, nor longer than it is worth (Particle Data Group, Review of Particle Physics,
introduction, "Rounding")."""

MOST_SIGNIFICANT = 4
"""Of the largest: a column of very unlike numbers shows the smallest of them short, or as zero."""

WEIGHT_DECIMALS = 4


def shared_decimals(
    values: Iterable[float | None], *, least: int, most: int, significant: int = MOST_SIGNIFICANT
) -> int:
    """Decimals for all of these numbers: two digits that matter of the smallest, but not too many of the largest.

    Args:
        values: what is shown together; None, zero and what is not finite decide nothing.
        least: where that would be fewer, or nothing decides.
        most: where that would be more.
        significant: digits that matter of the largest at most: beside it, the smallest are as good as zero.
    """
    amounts = [abs(value) for value in values if value is not None and math.isfinite(value) and value != 0.0]
    if not amounts:
        return least
    wanted = min(SIGNIFICANT - 1 - _power(min(amounts)), significant - 1 - _power(max(amounts)))
    return max(least, min(most, wanted))


def score_decimals(errors: Iterable[float | None] = (), values: Iterable[float | None] = ()) -> int:
    """Decimals of scores or differences of them, 4 to 6: the errors decide, or where there are none the values.

    Args:
        errors: standard errors of all that is shown together; the smallest decides.
        values: the differences themselves.
    """
    known = [error for error in errors if error is not None and error > 0.0 and math.isfinite(error)]
    if not known:
        return shared_decimals(values, least=SCORE_DECIMALS, most=MOST_SCORE_DECIMALS)
    surest = min(known)
    power = _power(surest)
    wanted = -power + (surest < LONG_ERROR * 10.0**power)
    return max(SCORE_DECIMALS, min(MOST_SCORE_DECIMALS, wanted))


def telling_decimals(scores: Iterable[float | None]) -> int:
    """Decimals of scores, 4 to 6: the fewest that tell those apart which 6 tell apart."""
    known = [score for score in scores if score is not None]
    most = len({f"{score:.{MOST_SCORE_DECIMALS}f}" for score in known})
    return next(
        digits
        for digits in range(SCORE_DECIMALS, MOST_SCORE_DECIMALS + 1)
        if len({f"{score:.{digits}f}" for score in known}) == most
    )


def interval_error(interval: Sequence[float] | None) -> float | None:
    """About the standard error behind an interval of 95 %, so that one is as long as the other where it is shown."""
    return None if interval is None else abs(interval[1] - interval[0]) / 4


def score_text(score: float, decimals: int = SCORE_DECIMALS) -> str:
    """``0.9130``."""
    return f"{score:.{decimals}f}"


def bound_text(bound: float, decimals: int = SCORE_DECIMALS) -> str:
    """A score that nothing exceeds, rounded up, since rounded down it could be exceeded."""
    scale = 10.0**decimals
    return score_text(math.ceil(bound * scale - 1e-6) / scale, decimals)


def floor_text(bound: float, decimals: int = SCORE_DECIMALS) -> str:
    """A score that is certainly reached, rounded down."""
    scale = 10.0**decimals
    return score_text(math.floor(bound * scale + 1e-6) / scale, decimals)


def signed_text(difference: float, decimals: int | None = None, *, minus: str = "-") -> str:
    """``+0.0077``; nothing that is shown as zero has a sign."""
    digits = score_decimals(values=[difference]) if decimals is None else decimals
    text = f"{abs(difference):.{digits}f}"
    if float(text) == 0.0:
        return text
    return f"{minus if difference < 0 else '+'}{text}"


def measured_text(difference: float, error: float, decimals: int | None = None, *, minus: str = "-") -> str:
    """``+0.3098 ± 0.0189``: a signed difference and its standard error, equally long."""
    digits = score_decimals([error], [difference]) if decimals is None else decimals
    return f"{signed_text(difference, digits, minus=minus)} ± {error:.{digits}f}"


def signed_texts(
    differences: Sequence[float | None], errors: Iterable[float | None] = (), *, minus: str = "-"
) -> list[str | None]:
    """A column of differences, as long as their errors say where those are known."""
    digits = score_decimals(errors, differences)
    return [None if each is None else signed_text(each, digits, minus=minus) for each in differences]


def measured_texts(pairs: Sequence[tuple[float, float] | None], *, minus: str = "-") -> list[str | None]:
    """A column of differences, each with its standard error."""
    known = [pair for pair in pairs if pair is not None]
    digits = score_decimals([error for _, error in known], [difference for difference, _ in known])
    return [None if pair is None else measured_text(*pair, digits, minus=minus) for pair in pairs]


def score_texts(scores: Sequence[float | None], decimals: int = SCORE_DECIMALS) -> list[str | None]:
    """A column of scores."""
    return [None if score is None else score_text(score, decimals) for score in scores]


def weight_text(weight: float) -> str:
    """A member's weight in a blend; what is above zero does not look like zero."""
    least = 10.0**-WEIGHT_DECIMALS
    return f"{weight:.{WEIGHT_DECIMALS}f}" if not 0.0 < weight < least / 2 else f"<{least:.{WEIGHT_DECIMALS}f}"


def per_mib_texts(scores: Sequence[float | None]) -> list[str | None]:
    """A column of what a MiB is worth in score, without exponents: these are as small as models are large."""
    digits = shared_decimals(scores, least=0, most=12, significant=MOST_SIGNIFICANT + 1)
    return [None if score is None else f"{score:.{digits}f}" for score in scores]


def mib_decimals(sizes_bytes: Iterable[float | None]) -> int:
    """Decimals of sizes in MiB that show the smallest of them to about three figures (1 to 3)."""
    smallest = min((mib(size) for size in sizes_bytes if size is not None and size > 0), default=100.0)
    return min(3, max(1, 2 - math.floor(math.log10(smallest))))


def mib_number(size_bytes: float, decimals: int | None = None) -> str:
    """``1,019.7``: a size in MiB; pass `decimals` to align a column."""
    return f"{mib(size_bytes):,.{mib_decimals([abs(size_bytes)]) if decimals is None else decimals}f}"


def mib_numbers(sizes_bytes: Sequence[float | None], *, signed: bool = False) -> list[str | None]:
    """A column of sizes in MiB; `signed` of differences of them."""
    digits = mib_decimals([None if size is None else abs(size) for size in sizes_bytes])
    sign = "+" if signed else ""
    return [None if size is None else f"{mib(size):{sign},.{digits}f}" for size in sizes_bytes]


def _power(amount: float) -> int:
    return math.floor(math.log10(amount))
