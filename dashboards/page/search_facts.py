"""What an ensemble rests on, as the search recorded it: how much was tried, why it stopped, how it fares elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.dashboards.ensemble import count, interval
from gapsack.dashboards.units import (
    count_text,
    difference_interval_text,
    difference_text,
    finite,
    gap_text,
)
from gapsack.selection.decimals import bound_text, interval_error, score_decimals
from gapsack.selection.report.ensemble import Ensemble, reported, reported_on


def search_facts(ensemble: Ensemble, items: str = "videos") -> list[tuple[str, str]]:
    """Names and values, as people read them, of what was scored on `items`; what is not known is left out."""
    search = ensemble.search
    held_out = ensemble.held_out or {}
    cross_fitted = reported(held_out) == "cross-fitted"
    facts = [
        ("search", str(search.get("stop_reason") or "")),
        ("choice", ensemble.preference),
        ("against the runner-up", _difference(ensemble.difference_to_runner_up or {})),
        (f"score on new {items}", reported_on(held_out, items) if cross_fitted else ""),
        ("of each fold" if cross_fitted else "held-out score of other splits", _folds(held_out.get("folds"))),
        ("candidates", _count(search.get("candidates"))),
        ("subsets within the budget", _count(search.get("feasible"))),
        ("that nothing more fits into", _count(search.get("maximal"))),
        ("blends scored", _count(search.get("evaluations"))),
        *_proof(search),
    ]
    return [(name, text) for name, text in facts if text]


def _proof(search: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is certain of a search, and what its rule of thumb left open."""
    if "left_by_the_rule" not in search:  # records of earlier versions called that by another name
        return [("dropped early, could still win", _count(search.get("could_still_win")))]
    bound = finite(search.get("upper_bound"))
    return [
        ("left out at a round's cap", _count(search["left_by_the_rule"])),
        ("tuning score that none exceeds, proved", "" if bound is None else bound_text(bound)),
        ("subsets that could still win", _count(search.get("could_still_win"))),
    ]


def _count(value: object) -> str:
    number = count(value)
    return "" if number is None else count_text(number)


def _difference(content: Mapping[str, Any]) -> str:
    difference, bounds = finite(content.get("difference")), interval(content.get("interval"))
    if difference is None:
        return ""
    digits = score_decimals([interval_error(bounds)], [difference])
    text = difference_text(difference, digits)
    if bounds is not None:
        text += f", {difference_interval_text(bounds, digits)}"
    return f"{text}: within noise" if content.get("within_noise") else text


def _folds(folds: object) -> str:
    """The whole search was repeated on each of these splits."""
    if not isinstance(folds, list):
        return ""
    scores = [finite(fold.get("score")) for fold in folds if isinstance(fold, Mapping)]
    return ", ".join(gap_text(score) for score in scores if score is not None)
