"""What lies in a graph's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

EXTRA_FOLDER = "assets.extra"
"""Where a graph keeps files that are not of its format: the folder that SavedModels have for it."""


def file_sizes(directory: Path) -> dict[str, int]:
    """Bytes of every file below a folder, by path relative to it, sorted."""
    return {
        file.relative_to(directory).as_posix(): file.stat().st_size
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }


def write_extra_files(directory: Path, contents: Mapping[str, bytes] | None) -> None:
    """Write content by file name under `EXTRA_FOLDER` of a graph's folder."""
    for name, content in (contents or {}).items():
        extra = directory / EXTRA_FOLDER / name
        extra.parent.mkdir(exist_ok=True)
        extra.write_bytes(content)
