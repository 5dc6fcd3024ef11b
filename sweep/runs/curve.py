"""A trial's curve: a CSV that grows while the trial trains, and is whole again after an interruption."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path

from gapsack.selection.files import replace_text

COLUMNS = ("step", "loss", "gap", "learning_rate", "videos_per_second", "seconds")
"""Steps done; mean loss since the row before; GAP@20 on the hold-out; and, of this step, the learning rate, the speed
since the row before (first step and evaluations left out), and the seconds that the training has taken."""

CurveRow = dict[str, float | None]
"""A row by column; None where nothing was measured."""


class CurveFile:
    """The CSV file of a curve."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewrite(self, rows: Iterable[CurveRow]) -> None:
        """Start the file anew with these rows: rows that a killed worker wrote after its last checkpoint are gone.

        Until the trial ends nothing of the file need outlive a power cut: the checkpoint has the rows as well.
        """
        text = ",".join(COLUMNS) + "\n" + "".join(_line(row) for row in rows)
        replace_text(self.path, text, lasting=False)

    def append(self, row: CurveRow) -> None:
        """Add a row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))


def curve_rows(path: Path) -> tuple[CurveRow, ...]:
    """A trial's curve so far; a last line that is still being written, and any row that is damaged, are left out.

    What cannot be read at all is a curve without rows: nothing but a drawing follows from it.
    """
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError:
        return ()
    header, *lines = text.split("\n")[:-1] or [""]
    names = header.split(",")
    # Whatever became of the first line: what an earlier version wrote has fewer columns, not other ones.
    columns = names if set(names) <= set(COLUMNS) else list(COLUMNS)
    rows = (_row(columns, line) for line in lines)
    return tuple(row for row in rows if row is not None)


def _row(columns: list[str], line: str) -> CurveRow | None:
    """A line as a row; None when it is not one that `CurveFile` wrote."""
    texts = line.rstrip("\r").split(",")
    if len(texts) != len(columns):
        return None
    try:
        row = {column: float(text) if text else None for column, text in zip(columns, texts, strict=True)}
    except ValueError:
        return None
    step = row.get("step")
    if step is None or not all(value is None or math.isfinite(value) for value in row.values()):
        return None
    return row if step >= 0 and step.is_integer() else None


def _line(row: CurveRow) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerow(row)
    return text.getvalue()
