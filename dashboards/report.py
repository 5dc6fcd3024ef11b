"""The report: one HTML file that opens anywhere, with no network and nothing beside it."""

from __future__ import annotations

import os
from pathlib import Path

from gapsack.dashboards.page.page import figure_page, page
from gapsack.dashboards.page.runs_page import runs_page
from gapsack.dashboards.records import RunsRecords, SweepRecords
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
    return _written(path, page(records))


def write_runs_report(path: str | os.PathLike[str], records: RunsRecords) -> Path:
    """Write a report of several runs beside each other, as `write_report` does of one; the same errors."""
    return _written(path, runs_page(records))


def write_figure(path: str | os.PathLike[str], key: str, records: SweepRecords) -> Path:
    """Write one figure as a page of its own, with its data as a table.

    Args:
        path: of the HTML file.
        key: of the figure in the catalogue.
        records: what it shows.

    Raises:
        InputError: the records have nothing to draw for that figure.
    """
    return _written(path, figure_page(key, records))


def _written(path: str | os.PathLike[str], text: str) -> Path:
    target = Path(path)
    replace_text(target, text)
    return target
