"""What `select explain` and `select ensemble --explain` print: a line for each member, candidate and precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gapsack.selection.units import mib, per_mib_text
from gapsack.sweep.cli.app import Column, output, print_table


def print_explanation(told: Mapping[str, Any], items: str) -> None:
    """The `explanation` of an ensemble.json as tables, what counts most first; `items` is what was scored."""
    gains = Column("tuning", True), Column(f"new {items}", True)  # where members were chosen, and what chose no weights
    member = Column("member"), Column("precision"), Column("MiB freed", True), *gains
    other = Column("candidate"), Column("precision"), Column("MiB in all", True), *gains, Column("leaves")
    stored = Column("member"), Column("instead of"), Column("precision"), Column("MiB more", True), *gains, Column("")
    _print_part("Without a member, weights of the others searched again, it loses", member, told["members"], _member)
    title = "With another candidate, in the place of what it needs room for, it gains"
    _print_part(title, other, told["candidates"], _other)
    _print_part("With a member at another precision it gains", stored, told["precisions"], _precision)
    out = output()
    out.print(f"\n{price_text(told['price'])}")
    if told["held_out"]:
        out.print(f"New {items}: {told['held_out']}; ± is a standard error of the paired difference.")
    for note in told["notes"]:
        out.print(note)


def price_text(price: Mapping[str, Any]) -> str:
    """What a MiB less costs and a MiB more buys, in a sentence, and who says so."""
    less, here, more = price["less"], price["here"], price["more"]
    bought = f"a MiB more buys {per_mib_text(price['gained_per_mib'])} ({_at(more)})"
    if less is None:
        lost = "Nothing fits a budget that is a tenth smaller"
    else:
        lost = f"A MiB less costs {per_mib_text(price['lost_per_mib'])} of tuning score ({_at(less)})"
    return f"{lost}; {bought}. The best known at {mib(here['budget_bytes']):.2f} MiB is {here['tuning_score']:.5f}."


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
        told = [f"{each['name']} {each['precision']} ({each['weight']:.4f})" for each in changes[key]]
        if told:
            lines.append(f"{what}: {', '.join(told)}")
    moved = [text for each in changes["stayed"] if (text := _moved(each))]
    if moved:
        lines.append(f"changed: {', '.join(moved)}")
    if not lines:
        lines.append("the same members with the same weights")
    if changes["tuning_gain"] is not None:
        held_out = _held_out(changes["held_out_gain"])
        lines.append(
            f"{_signed(changes['tuning_gain'])} on tuning {items}"
            + (f", {held_out} on new {items}" if held_out else "")
        )
    return [*lines, *changes["notes"]]


def _moved(stayed: Mapping[str, Any]) -> str:
    """A member whose precision or weight is another; "" of one that is as it was."""
    before, after = f"{stayed['weight_before']:.4f}", f"{stayed['weight']:.4f}"
    precisions = stayed["precision_before"], stayed["precision"]
    parts = []
    if precisions[0] != precisions[1]:
        parts.append(f"{precisions[0]} → {precisions[1]}")
    if before != after:
        parts.append(f"{before} → {after}")
    return f"{stayed['name']} {' '.join(parts)}" if parts else ""


def _print_part(title: str, columns: tuple[Column, ...], values: Any, row: Any) -> None:
    if values:
        output().print(f"\n{title}:")
        print_table(columns, [row(value) for value in values])


def _member(value: Mapping[str, Any]) -> list[str]:
    lost = "only member" if value["tuning_loss"] is None else _signed(value["tuning_loss"])
    freed = f"{mib(value['freed_bytes']):.2f}"
    return [value["name"], value["precision"], freed, lost, _held_out(value["held_out_loss"])]


def _other(value: Mapping[str, Any]) -> list[str]:
    if value["tuning_gain"] is None:
        return [value["name"], "", "", "does not fit", "", ""]
    gains = [_signed(value["tuning_gain"]), _held_out(value["held_out_gain"])]
    return [value["name"], value["precision"], f"{mib(value['total_bytes']):.2f}", *gains, ", ".join(value["leaves"])]


def _precision(value: Mapping[str, Any]) -> list[str]:
    gains = [_signed(value["tuning_gain"]), _held_out(value["held_out_gain"])]
    notes = ["predicts the same"] if value["predicts_the_same"] else []
    notes += [] if value["fits"] else ["does not fit"]
    added = f"{mib(value['added_bytes']):+.2f}"
    return [value["name"], value["taken"], value["precision"], added, *gains, ", ".join(notes)]


def _held_out(gain: Mapping[str, Any] | None) -> str:
    """A paired difference with its standard error; "" where no item reports."""
    if gain is None:
        return ""
    return f"{_signed(gain['difference'])} ± {gain['standard_error']:.5f}"


def _signed(difference: float) -> str:
    """Five digits and a sign, which nothing has that is shown as zero."""
    text = f"{difference:+.5f}"
    return text[1:] if float(text) == 0.0 else text


def _at(at: Mapping[str, Any]) -> str:
    """A score, the budget that it is of, and what found it."""
    return f"{at['tuning_score']:.5f} at {mib(at['budget_bytes']):.2f} MiB, by {at['found_by']}"
