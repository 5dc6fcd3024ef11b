"""What `select ensemble` prints: the members, then how good they are, how sure that is, and what was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gapsack.selection.metrics.registry import title_of
from gapsack.selection.report.ensemble import reported, reported_on
from gapsack.selection.units import mib
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
    """An ensemble.json as a table and a few lines; `items` is what was scored, in the plural."""
    rows = [
        [member["name"], member["precision"], _weight(member["weight"]), f"{mib(member['size_bytes']):.2f}", ""]
        for member in record["members"]
    ]
    columns = [Column("member"), Column("precision"), Column("weight", True), Column("MiB", True), Column(" ")]
    print_table(columns, rows)
    out = output()
    reserve = record["reserve_bytes"]
    kept = f", {mib(reserve):.2f} kept for the graph itself" if reserve else ""
    shared = record.get("shared_bytes", 0)
    once = f", {mib(shared):.2f} of tensors that members share not counted again" if shared else ""
    out.print(
        f"\n{mib(record['total_bytes']):.2f} MiB of {mib(record['budget_bytes']):.2f}{once}{kept}; "
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


def _weight(weight: float) -> str:
    """A weight as it is listed; what is above zero does not look like zero."""
    return f"{weight:.4f}" if weight >= 0.00005 else "<0.0001"


def figures(record: Mapping[str, Any], items: str) -> list[str]:
    """The scores; first those of items by what was not chosen on them: they are what to expect of new ones."""
    metric = "GAP" if record["metric"].startswith("gap@") else title_of(record["metric"])
    lines = []
    held_out = record["held_out"]
    if held_out is not None:
        low, high = held_out["interval"]
        lines.append(
            f"{metric} on new {items:<12} {held_out['score']:.5f}  ({held_out['confidence']:.0%} interval "
            f"{low:.5f} to {high:.5f}; {reported_on(held_out, items)})"
        )
    lines += record.get("notes", ())
    lines.append(f"{metric} on tuning {items:<9} {record['tuning_score']:.5f}  (where members and weights were chosen)")
    lines.append(f"GAP on all {items:<12} {record['gap']:.5f}  ({_certain(record['gap_interval'])})")
    lines += [line for what, key in RIVALS if (line := _difference(record, what, key)) is not None]
    what = "Fold" if held_out and held_out.get("cross_fitted") else "Split"
    for place, fold in enumerate(held_out["folds"] if held_out else [], 1):
        score = "no score by itself" if fold["score"] is None else f"{fold['score']:.5f}"
        lines.append(f"{what} {place}: {score} held out, with {' + '.join(fold['members'])}")
    return lines


def _certain(interval: Sequence[float] | None) -> str:
    """How certain a GAP of cut lists is."""
    if interval is None:
        return "with weights"
    low, high = interval
    told = f"{low:.6f}", f"{high:.6f}"
    if low == high:
        return "exact"
    return "certain to the last digit" if told[0] == told[1] else f"certainly within {told[0]} and {told[1]}"


def _difference(record: Mapping[str, Any], what: str, key: str) -> str | None:
    other, difference = record.get(key), record.get(f"difference_to_{key}")
    if other is None or difference is None:
        return None
    name = other["name"] if "name" in other else " + ".join(member["name"] for member in other["members"])
    what += "" if key == "equal_weights" else f", {name}"
    noise = ", within noise" if difference["within_noise"] else ""
    amount = f"{difference['difference']:+.5f} ± {difference['standard_error']:.5f}"
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
    return (
        f"{told} Proved: no ensemble within the budget scores above {bound:.5f} on the tuning {items}, "
        f"{search['gap_to_bound']:.5f} more than this one."
    )
