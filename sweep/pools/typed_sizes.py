"""Sizes as people write them: `381.4MiB`, `1.5GiB`, plain bytes, or the path of the model itself."""

from __future__ import annotations

import re
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.selection.units import MAX_SIZE_BYTES, MIB
from gapsack.sweep.storage.mirrored import size_at, url_in

# The challenge's MB is a MiB, and so is every MB here.
_UNITS = {"": 1, "b": 1, "kb": 2**10, "kib": 2**10, "mb": MIB, "mib": MIB, "gb": 2**30, "gib": 2**30}
LONGEST_SHOWN = 60
"""Characters of what was typed that an error repeats."""
_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_size_bytes(text: str) -> int:
    """Bytes of a size such as `1024MiB`, `300 MB` (the same unit), `1.5GiB`, `12345` (bytes), or of a file or folder.

    Raises:
        InputError: neither a size nor an existing path, or a size of zero.
    """
    match = _NUMBER.fullmatch(text)
    shown = repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…")
    if match and match.group(2).lower() in _UNITS:
        exact = float(match.group(1)) * _UNITS[match.group(2).lower()]
        if exact > MAX_SIZE_BYTES:
            raise InputError(f"expected a size of at most {MAX_SIZE_BYTES} bytes, got {shown}")
        size_bytes = round(exact)
    elif _exists(text):
        size_bytes = path_bytes(Path(text))
    elif url_in(text) is not None and (found := size_at(text)):
        size_bytes = found
    else:
        raise InputError(f"expected a size such as 381.4MiB, a number of bytes, or the path of a model, got {shown}")
    if size_bytes <= 0:
        raise InputError(f"expected a size above zero, got {shown}")
    return size_bytes


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # longer than a path may be, or with a NUL
        return False


def path_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
