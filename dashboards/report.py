"""The report: one HTML file that opens anywhere, with no network and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path

from gapsack.dashboards.page.page import page
from gapsack.dashboards.records import SweepRecords
from gapsack.selection.files import replace_text


def write_report(path: str | os.PathLike[str], records: SweepRecords) -> Path:
    """Write a report.

    The file holds its figures, its style and a packed plotly.js (0.7 MB), and asks for no address. It appears
    whole, or not at all.

    Args:
        path: of the HTML file; its folder is made where it is missing.
        records: what to show. Every part that they hold nothing for is left out.

    Returns:
        The path of the file.

    Raises:
        InputError: an ensemble lacks a required field.
    """
    target = Path(path)
    replace_text(target, page(records))
    return target
