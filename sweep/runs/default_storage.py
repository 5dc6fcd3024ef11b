"""Where runs lie unless a grid file or an option says otherwise."""

from __future__ import annotations

from pathlib import Path

DEFAULT_STORAGE = Path("runs")
