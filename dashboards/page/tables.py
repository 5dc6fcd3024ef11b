"""Tables: columns that align, and cells that carry the value that they sort by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gapsack.dashboards.page.markup import Markup, join, packed, tag


@dataclass(frozen=True)
class TableColumn:
    """A column: its title, whether it holds numbers (right-aligned) or long text (which wraps), and an explanation."""

    title: str
    numeric: bool = False
    long: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell: what it shows, what it sorts by (None sorts last in both directions), and a share in [0, 1] to draw."""

    shown: object
    value: float | str | None = None
    share: float | None = None


Row = Sequence[Cell]

MOST_ROWS = 300
"""That a table begins with. More would be most of a report of thousands of trials, and slow to lay out: they lie in it
packed, until a reader asks for them, sorts the table or searches in it."""


def number(value: float | None, text: str | None = None) -> Cell:
    """A numeric cell; a dash where there is no value."""
    return Cell("–" if value is None else text if text is not None else f"{value:,}", value)


def words(text: str) -> Cell:
    """A cell of text."""
    return Cell(text, text.casefold() or None)


def without_empty(columns: Sequence[TableColumn], rows: Sequence[Row]) -> tuple[list[TableColumn], list[Row]]:
    """The same table without the columns in which no row has a value."""
    kept = [index for index in range(len(columns)) if any(row[index].value is not None for row in rows)]
    return [columns[index] for index in kept], [[row[index] for index in kept] for row in rows]


def table(
    caption: str,
    columns: Sequence[TableColumn],
    rows: Sequence[Row],
    *,
    footer: Sequence[Row] = (),
    sortable: bool = False,
    row_names: Sequence[str] | None = None,
) -> Markup:
    """A table in a frame that scrolls sideways on narrow screens; of very many rows the first, and the rest packed.

    Args:
        caption: what it holds.
        columns: as many as each row has cells.
        rows: the body.
        footer: rows below a rule, which stay in place when the body is sorted.
        sortable: whether its titles are buttons that sort it.
        row_names: the trial that each row stands for, so that a click can find it in the figures.
    """
    names = row_names if row_names is not None else [None] * len(rows)
    body = [_row(columns, row, name, sortable) for row, name in zip(rows, names, strict=True)]
    if len(body) > MOST_ROWS:
        caption = f"{caption}: the first {MOST_ROWS:,} of {len(body):,}"
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(_title(column, sortable) for column in columns))),
            tag("tbody", *body[:MOST_ROWS]),
            tag("tfoot", *(_row(columns, row, None, sortable) for row in footer)) if footer else None,
            class_="sortable" if sortable else None,
        ),
        _rest(body[MOST_ROWS:], len(body)),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def _rest(rows: Sequence[Markup], count: int) -> Markup | None:
    """What unpacks the rows that a table does not begin with."""
    if not rows:
        return None
    script = tag("script", packed(join(rows)), type="text/plain", class_="rest")
    return join([tag("button", f"Show all {count:,}", type="button", class_="more"), script])


def _title(column: TableColumn, sortable: bool) -> Markup:
    label = tag("button", column.title, type="button") if sortable else column.title
    return tag("th", label, scope="col", class_=_class(column), title=column.hint or None)


def _row(columns: Sequence[TableColumn], row: Row, name: str | None, sortable: bool) -> Markup:
    first, *others = zip(columns, row, strict=True)
    head = tag("th", first[1].shown, scope="row", data_value=first[1].value if sortable else None)
    cells = (_cell(column, cell, sortable) for column, cell in others)
    return tag("tr", join([head, *cells]), data_trial=name)


def _cell(column: TableColumn, cell: Cell, sortable: bool) -> Markup:
    bar = None if cell.share is None else f"--share:{min(1.0, max(0.0, cell.share)):.1%}"
    classes = " ".join(name for name in (_class(column), None if bar is None else "bar") if name is not None)
    return tag("td", cell.shown, class_=classes or None, style=bar, data_value=cell.value if sortable else None)


def _class(column: TableColumn) -> str | None:
    return "number" if column.numeric else "long" if column.long else None
