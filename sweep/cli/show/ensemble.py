"""What `select ensemble` prints: the members, then how good they are, how sure that is, and what was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gapsack.selection.decimals import (
    bound_text,
    floor_text,
    interval_error,
    measured_text,
    mib_decimals,
    mib_number,
    score_decimals,
    score_text,
    weight_text,
)
from gapsack.selection.metrics.registry import title_of
from gapsack.selection.report.ensemble import reported, reported_on
from gapsack.sweep.cli.app import Column, output, print_table
from gapsack.sweep.cli.show.explanation import print_changes, print_explanation

RIVALS = (
    ("the best single model", "best_single"),
    ("the runner-up", "runner_up"),
    ("equal weights", "equal_weights"),
    ("greedy selection", "greedy"),
)
"""What an ensemble is held against, in words, and its key in the record."""


def print_ensemble(record: Mapping[str, Any], path: Path, items: str) -> None:
    """An ensemble.json as a table and a few lines.

    Args:
        record: what is in the file.
        path: the file.
        items: what was scored, in the plural.
    """
    sizes = [record["total_bytes"], record["budget_bytes"], *(member["size_bytes"] for member in record["members"])]
    digits = mib_decimals(sizes)
    rows = [
        [
            member["name"],
            member["precision"],
            weight_text(member["weight"]),
            mib_number(member["size_bytes"], digits),
            "",
        ]
        for member in record["members"]
    ]
    columns = [Column("member"), Column("precision"), Column("weight", True), Column("MiB", True), Column(" ")]
    print_table(columns, rows)
    out = output()
    reserve = record["reserve_bytes"]
    kept = f", {mib_number(reserve, digits)} kept for the graph itself" if reserve else ""
    shared = record.get("shared_bytes", 0)
    once = f", {mib_number(shared, digits)} of tensors that members share not counted again" if shared else ""
    total, budget = (mib_number(record[key], digits) for key in ("total_bytes", "budget_bytes"))
    out.print(
        f"\n{total} MiB of {budget}{once}{kept}; "
        f"blend of {'probabilities' if record['blend'] == 'probability' else 'logits'}."
    )
    for line in figures(record, items):
        out.print(line)
    if "changes" in record:
        print_changes(record["changes"], items)
    if "explanation" in record:
        print_explanation(record["explanation"], items)
    out.print(f"\n{searched(record['search'], items)}")
    out.print(f"{record['preference']}")
    out.print(f"Ensemble: {path}")


def figures(record: Mapping[str, Any], items: str) -> list[str]:
    """The scores; first those of items by what was not chosen on them: they are what to expect of new ones."""
    metric = "GAP" if record["metric"].startswith("gap@") else title_of(record["metric"])
    lines = []
    held_out = record["held_out"]
    digits = score_decimals([None if held_out is None else interval_error(held_out["interval"])])
    if held_out is not None:
        low, high = (score_text(end, digits) for end in held_out["interval"])
        lines.append(
            f"{metric} on new {items:<12} {score_text(held_out['score'], digits)}  "
            f"({held_out['confidence']:.0%} interval {low} to {high}; {reported_on(held_out, items)})"
        )
    lines += record.get("notes", ())
    tuning = score_text(record["tuning_score"], digits)
    lines.append(f"{metric} on tuning {items:<9} {tuning}  (where members and weights were chosen)")
    certain = _certain(record["gap_interval"], digits)
    lines.append(f"GAP on all {items:<12} {score_text(record['gap'], digits)}  ({certain})")
    lines += _differences(record)
    what = "Fold" if held_out and held_out.get("cross_fitted") else "Split"
    for place, fold in enumerate(held_out["folds"] if held_out else [], 1):
        score = "no score by itself" if fold["score"] is None else score_text(fold["score"], digits)
        lines.append(f"{what} {place}: {score} held out, with {' + '.join(fold['members'])}")
    return lines


def _certain(interval: Sequence[float] | None, digits: int) -> str:
    """How certain a GAP of cut lists is, of which so many decimals are shown."""
    if interval is None:
        return "with weights"
    low, high = interval
    if low == high:
        return "exact"
    if score_text(low, digits) == score_text(high, digits):
        return "certain to the last digit"
    longer = score_decimals([interval_error(interval)])
    return f"certainly within {floor_text(low, longer)} and {bound_text(high, longer)}"


def _differences(record: Mapping[str, Any]) -> list[str]:
    """A line for each rival, all equally long."""
    keys = [(what, key) for what, key in RIVALS if record.get(key) and record.get(f"difference_to_{key}")]
    measured = [record[f"difference_to_{key}"] for _, key in keys]
    digits = score_decimals([each["standard_error"] for each in measured], [each["difference"] for each in measured])
    return [_difference(record, what, key, digits) for what, key in keys]


def _difference(record: Mapping[str, Any], what: str, key: str, digits: int) -> str:
    other, difference = record[key], record[f"difference_to_{key}"]
    name = other["name"] if "name" in other else " + ".join(member["name"] for member in other["members"])
    what += "" if key == "equal_weights" else f", {name}"
    noise = ", within noise" if difference["within_noise"] else ""
    amount = measured_text(difference["difference"], difference["standard_error"], digits)
    how = reported(record["held_out"] or {})
    return f"{amount} {'cross-fitted' if how == 'cross-fitted' else 'held out'} against {what}{noise}"


def searched(search: Mapping[str, Any], items: str) -> str:
    """What was searched, why it stopped, and what is proved of it, in a sentence or two."""
    told = f"Search: {search['strategy']}. {search['stop_reason']}"
    bound = search.get("upper_bound")
    if bound is None:
        return told
    if search["complete"]:
        return f"{told} Proved: no ensemble within the budget scores higher on the tuning {items}."
    ahead = search["gap_to_bound"]
    digits = score_decimals(values=[ahead])
    return (
        f"{told} Proved: no ensemble within the budget scores above {bound_text(bound, digits)} on the tuning {items}, "
        f"{bound_text(ahead, digits)} more than this one."
    )
