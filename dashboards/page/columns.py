"""Columns of numbers: a quantity has one number of decimals from the first row of a table to the last."""

from __future__ import annotations

from collections.abc import Sequence

from gapsack.dashboards.page.tables import Cell, number
from gapsack.dashboards.units import gap_text
from gapsack.selection.decimals import (
    MINUS,
    measured_texts,
    mib_numbers,
    per_mib_texts,
    score_decimals,
    score_texts,
    signed_texts,
    telling_decimals,
    weight_text,
)
from gapsack.selection.report.difference import Difference
from gapsack.selection.units import mib


def score_cell(score: float | None) -> Cell:
    """A score by itself: all have the same decimals wherever they stand."""
    return number(score, None if score is None else gap_text(score))


def rising_cells(scores: Sequence[float | None]) -> list[Cell]:
    """Scores of ever larger budgets, which may rise by very little: as long as it takes to tell them apart."""
    texts = score_texts(scores, telling_decimals(scores))
    return [number(score, text) for score, text in zip(scores, texts, strict=True)]


def weight_cell(weight: float) -> Cell:
    """A member's share of the vote."""
    return number(weight, weight_text(weight))


def size_cells(sizes_bytes: Sequence[int | None], *, signed: bool = False) -> list[Cell]:
    """Sizes in MiB; `signed` of differences of them."""
    texts = mib_numbers(sizes_bytes, signed=signed)
    return [number(None if size is None else mib(size), text) for size, text in zip(sizes_bytes, texts, strict=True)]


def difference_cells(differences: Sequence[float | None], errors: Sequence[float | None] = ()) -> list[Cell]:
    """Differences of scores; the errors that are known of them decide how long they are."""
    texts = signed_texts(differences, errors, minus=MINUS)
    return [number(each, text) for each, text in zip(differences, texts, strict=True)]


def gain_cells(gains: Sequence[float | None]) -> list[Cell]:
    """Scores that were added, which are zero or more, without signs."""
    texts = score_texts(gains, score_decimals(values=gains))
    return [number(each, text) for each, text in zip(gains, texts, strict=True)]


def paired_cells(gains: Sequence[Difference | None]) -> list[Cell]:
    """Paired differences, each with its standard error."""
    pairs = [None if gain is None else (gain.difference, gain.standard_error) for gain in gains]
    texts = measured_texts(pairs, minus=MINUS)
    return [number(None if pair is None else pair[0], text) for pair, text in zip(pairs, texts, strict=True)]


def per_mib_cells(scores: Sequence[float | None]) -> list[Cell]:
    """What a MiB is worth in score."""
    return [number(score, text) for score, text in zip(scores, per_mib_texts(scores), strict=True)]
