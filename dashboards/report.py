"""The report: one HTML file that opens anywhere, with no network and nothing beside it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gapsack.dashboards.page.page import page
from gapsack.dashboards.records import SweepRecords


def write_report(path: str | os.PathLike[str], records: SweepRecords) -> Path:
    """Write a report.

    The file holds its figures, its style and plotly.js itself (about 5 MB), and asks for no address. It is written
    under a temporary name in the same folder and moved, so a reader never sees half of one.

    Args:
        path: of the HTML file; its folder is made where it is missing.
        records: what to show. Every part that they hold nothing for is left out.

    Returns:
        The path of the file.

    Raises:
        InputError: an ensemble lacks a required field.
    """
    target = Path(path)
    content = page(records)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(temporary).chmod(0o644)  # mkstemp makes files that only their owner can read
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target
