"""What a notebook shows of a value: a small table, in place of arrays."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_ROWS = 60
"""Of a table in a notebook; what is left out is told."""


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, below: str = "") -> str:
    """A table as HTML; numbers are set to the right, None is an empty cell.

    Args:
        title: above it, in bold.
        columns: their titles.
        rows: as many cells as there are columns; what is text already stays as it is.
        below: a sentence below the table.
    """
    listed = list(rows)
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in listed[:MOST_ROWS])
    left = f"{len(listed) - MOST_ROWS} more rows. " if len(listed) > MOST_ROWS else ""
    told = f"<p>{escape(left + below)}</p>" if left or below else ""
    return f"<p><b>{escape(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{told}"


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td style="text-align:right">{value}</td>'
    return f"<td>{escape(str(value))}</td>"
