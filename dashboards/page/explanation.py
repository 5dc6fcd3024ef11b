"""Why the ensemble is what it is, and what changed since the earlier one: tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from gapsack.dashboards.page.columns import (
    difference_cells,
    paired_cells,
    per_mib_cells,
    rising_cells,
    size_cells,
    weight_cell,
)
from gapsack.dashboards.page.markup import Markup, tag
from gapsack.dashboards.page.tables import Cell, Row, TableColumn, number, table, without_empty, words
from gapsack.dashboards.units import difference_text, mib_text, paired_text
from gapsack.selection.decimals import mib_decimals
from gapsack.selection.report.changes import Changes
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.report.explanation import Explanation, Price
from gapsack.selection.units import mib

ERROR = "± is one bootstrap standard error of the paired difference"


def explanation_parts(ensemble: Ensemble | None, items: str = "videos") -> list[Markup | None]:
    """What each member brings, what others and other precisions would, and what a MiB is worth; then what changed."""
    if ensemble is None:
        return []
    told, changes = ensemble.explanation, ensemble.changes
    parts: list[Markup | None] = []
    if told is not None:
        parts += [_members(told, items), _candidates(told, items), _precisions(told, items), _price(told.price)]
        if told.held_out:
            parts.append(tag("p", f"New {items}: {told.held_out}; {ERROR}."))
        parts += [tag("p", note) for note in told.notes]
    if changes is not None:
        parts += [_changes(changes), *_change_sentences(changes, items)]
    return parts


def _gains(what: str, items: str) -> tuple[TableColumn, TableColumn]:
    return (
        TableColumn(f"{what}, tuning", numeric=True, hint=f"on the {items} that members were chosen on"),
        TableColumn(f"{what}, new {items}", numeric=True, hint=ERROR),
    )


def _members(told: Explanation, items: str) -> Markup:
    columns = (
        TableColumn("Without"),
        TableColumn("precision"),
        TableColumn("MiB freed", numeric=True),
        *_gains("lost", items),
    )
    numbers = zip(
        size_cells([value.freed_bytes for value in told.members]),
        difference_cells([value.tuning_loss for value in told.members]),
        paired_cells([value.held_out_loss for value in told.members]),
        strict=True,
    )
    rows = [
        (words(value.name), words(value.precision), *cells) for value, cells in zip(told.members, numbers, strict=True)
    ]
    names = [value.name for value in told.members]
    return _table("What members bring: the ensemble without each, weights searched again", columns, rows, names)


def _candidates(told: Explanation, items: str) -> Markup | None:
    columns = (
        TableColumn("With"),
        TableColumn("precision"),
        TableColumn("in the place of", long=True),
        TableColumn("MiB in all", numeric=True),
        *_gains("gained", items),
    )
    numbers = zip(
        size_cells([value.total_bytes for value in told.candidates]),
        difference_cells([value.tuning_gain for value in told.candidates]),
        paired_cells([value.held_out_gain for value in told.candidates]),
        strict=True,
    )
    rows = [
        (words(value.name), words(value.precision or "does not fit"), words(", ".join(value.leaves)), *cells)
        for value, cells in zip(told.candidates, numbers, strict=True)
    ]
    names = [value.name for value in told.candidates]
    return (
        _table("What others would bring: the best swap or addition that fits", columns, rows, names) if rows else None
    )


def _precisions(told: Explanation, items: str) -> Markup | None:
    columns = (
        TableColumn("Member"),
        TableColumn("taken"),
        TableColumn("instead"),
        TableColumn("MiB more", numeric=True),
        *_gains("gained", items),
        TableColumn("room"),
    )
    added = size_cells([value.added_bytes for value in told.precisions], signed=True)
    others = [None if value.predicts_the_same else value.tuning_gain for value in told.precisions]
    new = paired_cells([value.held_out_gain for value in told.precisions])
    rows = [
        (
            words(value.name),
            words(value.taken),
            words(value.precision),
            more,
            Cell("predicts the same", 0.0) if value.predicts_the_same else gain,
            on_new,
            words("fits" if value.fits else "does not fit"),
        )
        for value, more, gain, on_new in zip(told.precisions, added, difference_cells(others), new, strict=True)
    ]
    names = [value.name for value in told.precisions]
    return _table("Precisions that were not taken", columns, rows, names) if rows else None


def _price(price: Price) -> Markup:
    columns = (
        TableColumn("Budget"),
        TableColumn("MiB taken", numeric=True),
        TableColumn("best known score, tuning", numeric=True),
        TableColumn("a MiB is worth", numeric=True, hint="score by MiB, against this budget"),
        TableColumn("known from"),
        TableColumn("members", long=True),
    )
    around = ((price.less, price.lost_per_mib), (price.here, None), (price.more, price.gained_per_mib))
    known = [(at, worth) for at, worth in around if at is not None]
    digits = mib_decimals([at.budget_bytes for at, _ in known])
    numbers = zip(
        size_cells([at.total_bytes for at, _ in known]),
        rising_cells([at.tuning_score for at, _ in known]),
        per_mib_cells([worth for _, worth in known]),
        strict=True,
    )
    rows = [
        (
            Cell(mib_text(at.budget_bytes, digits), mib(at.budget_bytes)),
            *cells,
            words(at.found_by),
            words(" + ".join(at.members)),
        )
        for (at, _), cells in zip(known, numbers, strict=True)
    ]
    return table("What a MiB is worth around this budget", columns, rows)


def _changes(changes: Changes) -> Markup:
    columns = [
        TableColumn("Since the earlier ensemble"),
        TableColumn(""),
        TableColumn("precision before"),
        TableColumn("precision"),
        TableColumn("weight before", numeric=True),
        TableColumn("weight", numeric=True),
    ]
    none = number(None)
    rows: list[Row] = [
        *(
            (words(m.name), words("in"), words(""), words(m.precision), none, weight_cell(m.weight))
            for m in changes.joined
        ),
        *(
            (words(m.name), words("out"), words(m.precision), words(""), weight_cell(m.weight), none)
            for m in changes.left
        ),
    ]
    rows += [
        (
            words(member.name),
            words("stays"),
            words(member.precision_before),
            words(member.precision),
            weight_cell(member.weight_before),
            weight_cell(member.weight),
        )
        for member in changes.stayed
    ]
    shown, cells = without_empty(columns, rows)
    return table("What changed", shown, cells, sortable=True, row_names=[str(row[0].shown) for row in cells])


def _change_sentences(changes: Changes, items: str) -> list[Markup]:
    lines = list(changes.notes)
    if changes.tuning_gain is not None:
        told = f"{difference_text(changes.tuning_gain)} against the earlier ensemble on the tuning {items}"
        gain = changes.held_out_gain
        if gain is not None:
            told += f", {paired_text(gain)} on new ones"
        lines.insert(0, f"{told}.")
    return [tag("p", line) for line in lines]


def _table(caption: str, columns: Sequence[TableColumn], rows: Sequence[Row], names: Sequence[str]) -> Markup:
    shown, cells = without_empty(columns, rows)
    return table(caption, shown, cells, sortable=True, row_names=names)
