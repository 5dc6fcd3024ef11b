"""What `select explain` and `select ensemble --explain` print: a line for each member, candidate and precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gapsack.selection.decimals import (
    measured_texts,
    mib_decimals,
    mib_number,
    mib_numbers,
    per_mib_texts,
    score_text,
    signed_text,
    signed_texts,
    telling_decimals,
    weight_text,
)
from gapsack.sweep.cli.app import Column, output, print_table


def print_explanation(told: Mapping[str, Any], items: str) -> None:
    """The `explanation` of an ensemble.json as tables, what counts most first; `items` is what was scored."""
    gains = Column("tuning", True), Column(f"new {items}", True)  # where members were chosen, and what chose no weights
    member = Column("member"), Column("precision"), Column("MiB freed", True), *gains
    other = Column("candidate"), Column("precision"), Column("MiB in all", True), *gains, Column("leaves")
    stored = Column("member"), Column("instead of"), Column("precision"), Column("MiB more", True), *gains, Column("")
    _print_part("Without a member, weights of the others searched again, it loses", member, told["members"], _members)
    title = "With another candidate, in the place of what it needs room for, it gains"
    _print_part(title, other, told["candidates"], _others)
    _print_part("With a member at another precision it gains", stored, told["precisions"], _precisions)
    out = output()
    out.print(f"\n{price_text(told['price'])}")
    if told["held_out"]:
        out.print(f"New {items}: {told['held_out']}; ± is a standard error of the paired difference.")
    for note in told["notes"]:
        out.print(note)


def price_text(price: Mapping[str, Any]) -> str:
    """What a MiB less costs and a MiB more buys, in a sentence, and who says so."""
    less, here, more = price["less"], price["here"], price["more"]
    sizes = mib_decimals([at["budget_bytes"] for at in (less, here, more) if at is not None])
    scores = telling_decimals([at["tuning_score"] for at in (less, here, more) if at is not None])

    def at(place: Mapping[str, Any]) -> str:
        """A score, the budget that it is of, and what found it."""
        score = score_text(place["tuning_score"], scores)
        return f"{score} at {mib_number(place['budget_bytes'], sizes)} MiB, by {place['found_by']}"

    worth = per_mib_texts([None if less is None else price["lost_per_mib"], price["gained_per_mib"]])
    bought = f"a MiB more buys {worth[1]} ({at(more)})"
    if less is None:
        lost = "Nothing fits a budget that is a tenth smaller"
    else:
        lost = f"A MiB less costs {worth[0]} of tuning score ({at(less)})"
    known = score_text(here["tuning_score"], scores)
    return f"{lost}; {bought}. The best known at {mib_number(here['budget_bytes'], sizes)} MiB is {known}."


def print_changes(changes: Mapping[str, Any], items: str) -> None:
    """The `changes` of an ensemble.json: what came, went and moved since the earlier one, and what that gained."""
    out = output()
    out.print("\nSince the earlier ensemble:")
    for line in changes_lines(changes, items):
        out.print(f"  {line}")


def changes_lines(changes: Mapping[str, Any], items: str) -> list[str]:
    """Lines on members and weights, then on scores, then what could not be taken."""
    lines = []
    for what, key in (("in", "joined"), ("out", "left")):
        told = [f"{each['name']} {each['precision']} ({weight_text(each['weight'])})" for each in changes[key]]
        if told:
            lines.append(f"{what}: {', '.join(told)}")
    moved = [text for each in changes["stayed"] if (text := _moved(each))]
    if moved:
        lines.append(f"changed: {', '.join(moved)}")
    if not lines:
        lines.append("the same members with the same weights")
    if changes["tuning_gain"] is not None:
        [held_out] = _held_out([changes["held_out_gain"]])
        lines.append(
            f"{signed_text(changes['tuning_gain'])} on tuning {items}"
            + (f", {held_out} on new {items}" if held_out else "")
        )
    return [*lines, *changes["notes"]]


def _moved(stayed: Mapping[str, Any]) -> str:
    """A member whose precision or weight is another; "" of one that is as it was."""
    before, after = weight_text(stayed["weight_before"]), weight_text(stayed["weight"])
    precisions = stayed["precision_before"], stayed["precision"]
    parts = []
    if precisions[0] != precisions[1]:
        parts.append(f"{precisions[0]} → {precisions[1]}")
    if before != after:
        parts.append(f"{before} → {after}")
    return f"{stayed['name']} {' '.join(parts)}" if parts else ""


def _print_part(title: str, columns: tuple[Column, ...], values: Any, rows: Any) -> None:
    if values:
        output().print(f"\n{title}:")
        print_table(columns, rows(values))


def _members(values: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    freed = mib_numbers([value["freed_bytes"] for value in values])
    lost = signed_texts([value["tuning_loss"] for value in values])
    new = _held_out([value["held_out_loss"] for value in values])
    return [
        [value["name"], value["precision"], freed[row], lost[row] or "only member", new[row]]
        for row, value in enumerate(values)
    ]


def _others(values: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    sizes = mib_numbers([value["total_bytes"] for value in values])
    gains = signed_texts([value["tuning_gain"] for value in values])
    new = _held_out([value["held_out_gain"] for value in values])
    return [
        [value["name"], "", "", "does not fit", "", ""]
        if gains[row] is None
        else [value["name"], value["precision"], sizes[row], gains[row], new[row], ", ".join(value["leaves"])]
        for row, value in enumerate(values)
    ]


def _precisions(values: Sequence[Mapping[str, Any]]) -> list[list[object]]:
    added = mib_numbers([value["added_bytes"] for value in values], signed=True)
    gains = signed_texts([value["tuning_gain"] for value in values])
    new = _held_out([value["held_out_gain"] for value in values])
    return [
        [value["name"], value["taken"], value["precision"], added[row], gains[row], new[row], _precision_notes(value)]
        for row, value in enumerate(values)
    ]


def _precision_notes(value: Mapping[str, Any]) -> str:
    notes = ["predicts the same"] if value["predicts_the_same"] else []
    return ", ".join(notes if value["fits"] else [*notes, "does not fit"])


def _held_out(gains: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
    """Paired differences with their standard errors; None where no item reports."""
    return measured_texts([None if gain is None else (gain["difference"], gain["standard_error"]) for gain in gains])
