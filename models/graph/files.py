"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gapsack.selection.errors import InputError

EXTRA_FOLDER = "assets.extra"
"""Where a graph keeps files that are not of its format: the folder that SavedModels have for it."""


@contextmanager
def whole_folder(directory: Path, *, marker: str) -> Iterator[Path]:
    """A new folder beside `directory` to write into, moved to `directory` when the block ends well.

    An earlier result there is replaced at the end, never changed before. What a killed process left is removed by the
    next one for the same folder.

    Raises:
        InputError: `directory` exists and is not an earlier result: a folder that is empty or has a file `marker`.
    """
    directory = directory.absolute()
    if directory.exists() and not ((directory / marker).is_file() or _is_empty_folder(directory)):
        raise InputError(f"expected a new folder, or one of an earlier build, to write to, got {directory}")
    directory.parent.mkdir(parents=True, exist_ok=True)
    part, earlier = (directory.with_name(f".{directory.name}.{suffix}") for suffix in ("part", "earlier"))
    _remove(part)
    part.mkdir()
    try:
        yield part
        _remove(earlier)
        if directory.exists():
            directory.replace(earlier)
        part.replace(directory)
    finally:
        _remove(part)
        if directory.exists():
            _remove(earlier)


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


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
