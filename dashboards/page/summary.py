"""The answer first: one sentence, and the few numbers that a reader came for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gapsack.dashboards.ensemble import EnsembleInfo, chosen_ensemble, metric_text
from gapsack.dashboards.records import Status, SweepRecords, TrialRecord, best_trial
from gapsack.dashboards.units import (
    budget_text,
    count_text,
    difference_interval_text,
    difference_text,
    gap_text,
    in_words,
    interval_text,
    mib_text,
    plural,
)
from gapsack.selection.decimals import score_text


@dataclass(frozen=True)
class Tile:
    """One headline number.

    Args:
        label: what it is.
        value: the number, with its unit.
        detail: one line below it.
        meter: a share in [0, 1] to draw below the number, or None.
    """

    label: str
    value: str
    detail: str = ""
    meter: float | None = None


@dataclass(frozen=True)
class SummaryInfo:
    """The head of the report: a sentence, the tiles, and a caution where one is due."""

    sentence: str
    tiles: tuple[Tile, ...]
    caution: str = ""


def summary_info(records: SweepRecords) -> SummaryInfo:
    """What the report answers, whatever state the sweep is in."""
    ensemble = chosen_ensemble(records)
    if ensemble is not None:
        return SummaryInfo(_answer(ensemble), _ensemble_tiles(records, ensemble), _caution(ensemble))
    best = best_trial(records)
    if best is not None:
        return SummaryInfo(f"No ensemble yet. The best single model is {best.name}.", _trial_tiles(records, best))
    return SummaryInfo(_nothing(records), (_progress(records),) if records.trials else ())


def _answer(ensemble: EnsembleInfo) -> str:
    count = len(ensemble.members)
    score = ensemble.score.best_known
    held_out = f"{ensemble.reported} " if ensemble.score.held_out is not None else ""
    reach = "reaches" if count == 1 else "reach"
    scores = (
        "" if score is None else f" {reach} a {held_out}{ensemble.metric} of {gap_text(score, ensemble.score.interval)}"
    )
    if ensemble.gain is not None and score is not None:
        side = "above" if ensemble.gain >= 0 else "below"
        scores += f", {score_text(abs(ensemble.gain), ensemble.gain_decimals)} {side} the best single one"
    return f"{in_words(count).capitalize()} {'model' if count == 1 else 'models'} {_room(ensemble)}{scores}."


def _room(ensemble: EnsembleInfo) -> str:
    size = mib_text(ensemble.total_bytes).removesuffix(" MiB")
    return f"in {size} of {budget_text(ensemble.budget_bytes)}"


def _caution(ensemble: EnsembleInfo) -> str:
    interval = ensemble.gain_interval
    if interval is not None and interval[0] <= 0 <= interval[1]:
        return "The gain over the best single model is within noise: its interval contains zero."
    if ensemble.total_bytes > ensemble.budget_bytes:
        return "The ensemble is larger than its budget."
    return ""


def _ensemble_tiles(records: SweepRecords, ensemble: EnsembleInfo) -> tuple[Tile, ...]:
    tiles = []
    score = ensemble.score
    if score.best_known is not None:
        held_out = score.held_out is not None
        items = records.data.items
        detail = f"on all {items} of the pool" if not held_out else _held_out_detail(ensemble, items)
        label = f"{ensemble.reported.capitalize()} {ensemble.metric}" if held_out else ensemble.metric
        tiles.append(Tile(label, gap_text(score.best_known, ensemble.score.interval), detail))
    if ensemble.gain is not None:
        detail = "over the best single model"
        if ensemble.best_single is not None:
            detail = f"over {ensemble.best_single.names[0]} alone"
        if ensemble.gain_interval is not None:
            detail += f", {difference_interval_text(ensemble.gain_interval, ensemble.gain_decimals)}"
        tiles.append(Tile("Gain by blending", difference_text(ensemble.gain, ensemble.gain_decimals), detail))
    tiles.append(_size_tile(ensemble))
    if records.trials:
        tiles.append(_progress(records))
    return tuple(tiles)


def _held_out_detail(ensemble: EnsembleInfo, items: str) -> str:
    parts = []
    if ensemble.score.interval is not None:
        level = "" if ensemble.confidence is None else f" ({ensemble.confidence:.0%})"
        parts.append(interval_text(ensemble.score.interval) + level)
    if ensemble.reported != "held-out":
        parts.append(ensemble.reported_on)
    elif ensemble.held_out_videos is not None:
        parts.append(plural(ensemble.held_out_videos, items.removesuffix("s")))
    return ", ".join(parts) or f"on {items} that took no part in choosing"


def _size_tile(ensemble: EnsembleInfo) -> Tile:
    share = ensemble.total_bytes / ensemble.budget_bytes if ensemble.budget_bytes else 1.0
    detail = f"{share:.1%} of {budget_text(ensemble.budget_bytes)}"
    return Tile("Size", mib_text(ensemble.total_bytes), detail, meter=min(1.0, share))


def _trial_tiles(records: SweepRecords, best: TrialRecord) -> tuple[Tile, ...]:
    tiles = [Tile(f"Best single {metric_text(records.metric)}", gap_text(best.gap or 0.0), best.name)]
    size_bytes = best.size_bytes.get(records.precision)
    if size_bytes:
        within = "" if records.budget_bytes is None else f"budget {budget_text(records.budget_bytes)}"
        share = None if records.budget_bytes is None else min(1.0, size_bytes / records.budget_bytes)
        tiles.append(Tile(f"Size, {records.precision}", mib_text(size_bytes), within, meter=share))
    return (*tiles, _progress(records))


def _progress(records: SweepRecords) -> Tile:
    states = Counter(trial.status for trial in records.trials)
    told: tuple[Status, ...] = ("running", "pending", "stopped early", "failed", "skipped")
    others = [f"{count_text(states[name])} {name}" for name in told if states[name]]
    # What is skipped can never be done, so it is not part of the whole.
    whole = len(records.trials) - states["skipped"]
    text = count_text(states["done"]) if states["done"] == whole else f"{states['done']} of {whole}"
    detail = ", ".join(others) if others else f"{len(records.trials) - len(records.inferior)} on the Pareto frontier"
    label = "Trials done" if records.noun == "trial" else "Models"
    return Tile(label, text, detail, meter=None if states["done"] == whole else states["done"] / whole)


def _nothing(records: SweepRecords) -> str:
    if not records.trials:
        return "No trials yet."
    states = Counter(trial.status for trial in records.trials)
    if states["failed"] and not states["running"] and not states["pending"]:
        return f"No trial has finished: {count_text(states['failed'])} of {count_text(len(records.trials))} failed."
    return "No trial has finished yet."
