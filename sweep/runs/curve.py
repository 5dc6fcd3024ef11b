"""A trial's curve: a CSV that grows while the trial trains, and is whole again after an interruption."""

from __future__ import annotations

import csv
import io
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
        """Start the file anew with these rows: rows that a killed worker wrote after its last checkpoint are gone."""
        replace_text(self.path, ",".join(COLUMNS) + "\n" + "".join(_line(row) for row in rows))

    def append(self, row: CurveRow) -> None:
        """Add a row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))


def _line(row: CurveRow) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerow(row)
    return text.getvalue()
