"""Prints the changelog's part of a version; fails where the package states another version, or the changelog has none.

python .ci/release_notes.py 0.1.0
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(version: str, changelog: str) -> str:
    """The text below a version's heading. Raises a ValueError where there is none, or nothing in it."""
    found = re.search(
        rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md: expected a part that begins with '## {version}' and says something.")
    return found[1].strip() + "\n"


def stated(source: str) -> str:
    """The version in the source of `gapsack/__init__.py`."""
    found = re.search(r'^__version__ = "([^"]+)"', source, re.MULTILINE)
    if found is None:
        raise ValueError('gapsack/__init__.py: expected a line __version__ = "…".')
    return found[1]


def main() -> None:
    """The version is the argument."""
    wanted = sys.argv[1]
    mine = stated((ROOT / "gapsack" / "__init__.py").read_text(encoding="utf-8"))
    if mine != wanted:
        sys.exit(f"the tag says {wanted}, gapsack/__init__.py {mine}.")
    sys.stdout.write(notes(wanted, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
