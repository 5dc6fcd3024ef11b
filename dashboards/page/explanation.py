"""Why the ensemble is what it is, and what changed since the earlier one: tables of a report."""

from __future__ import annotations

from collections.abc import Sequence

from gapsack.dashboards.page.markup import Markup, tag
from gapsack.dashboards.page.tables import Cell, Row, TableColumn, number, table, without_empty, words
from gapsack.dashboards.units import difference_text, gap_text, mib_text
from gapsack.selection.report.changes import Changes
from gapsack.selection.report.difference import Difference
from gapsack.selection.report.ensemble import Ensemble
from gapsack.selection.report.explanation import Explanation, Price
from gapsack.selection.units import mib, per_mib_text

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
    rows = [
        (
            words(value.name),
            words(value.precision),
            _mib(value.freed_bytes),
            _score(value.tuning_loss),
            _difference(value.held_out_loss),
        )
        for value in told.members
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
    rows = [
        (
            words(value.name),
            words(value.precision or "does not fit"),
            words(", ".join(value.leaves)),
            number(None) if value.total_bytes is None else _mib(value.total_bytes),
            _score(value.tuning_gain),
            _difference(value.held_out_gain),
        )
        for value in told.candidates
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
    rows = [
        (
            words(value.name),
            words(value.taken),
            words(value.precision),
            number(mib(value.added_bytes), f"{mib(value.added_bytes):+,.2f}"),
            Cell("predicts the same", 0.0) if value.predicts_the_same else _score(value.tuning_gain),
            _difference(value.held_out_gain),
            words("fits" if value.fits else "does not fit"),
        )
        for value in told.precisions
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
    rows = [
        (
            Cell(mib_text(at.budget_bytes), mib(at.budget_bytes)),
            _mib(at.total_bytes),
            number(at.tuning_score, gap_text(at.tuning_score)),
            number(worth, None if worth is None else per_mib_text(worth)),
            words(at.found_by),
            words(" + ".join(at.members)),
        )
        for at, worth in (
            (price.less, price.lost_per_mib),
            (price.here, None),
            (price.more, price.gained_per_mib),
        )
        if at is not None
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
        *((words(m.name), words("in"), words(""), words(m.precision), none, _weight(m.weight)) for m in changes.joined),
        *((words(m.name), words("out"), words(m.precision), words(""), _weight(m.weight), none) for m in changes.left),
    ]
    rows += [
        (
            words(member.name),
            words("stays"),
            words(member.precision_before),
            words(member.precision),
            _weight(member.weight_before),
            _weight(member.weight),
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
            told += f", {_difference_text(gain)} on new ones"
        lines.insert(0, f"{told}.")
    return [tag("p", line) for line in lines]


def _table(caption: str, columns: Sequence[TableColumn], rows: Sequence[Row], names: Sequence[str]) -> Markup:
    shown, cells = without_empty(columns, rows)
    return table(caption, shown, cells, sortable=True, row_names=names)


def _mib(size_bytes: int) -> Cell:
    return number(mib(size_bytes), f"{mib(size_bytes):,.2f}")


def _weight(weight: float) -> Cell:
    return number(weight, f"{weight:.3f}")


def _score(difference: float | None) -> Cell:
    return number(difference, None if difference is None else difference_text(difference))


def _difference(gain: Difference | None) -> Cell:
    return number(None) if gain is None else number(gain.difference, _difference_text(gain))


def _difference_text(gain: Difference) -> str:
    return f"{difference_text(gain.difference)} ± {gain.standard_error:.5f}"
