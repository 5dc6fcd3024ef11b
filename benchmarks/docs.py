"""Puts the tables of `benchmarks/results` into docs/benchmarks.md: figures there are copied by a program, not by hand.

    python -m benchmarks.docs

A table stands as a code block after a line `<!-- results: NAME -->`, and is `benchmarks/results/NAME.txt`.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.report import RESULTS

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BLOCK = re.compile(r"(<!-- results: ([a-z0-9_]+) -->\n)```\n.*?```\n", re.DOTALL)


def refreshed(text: str, folder: Path = RESULTS) -> str:
    """The document with every table as the results have it; FileNotFoundError where one has none."""

    def block(match: re.Match[str]) -> str:
        table = (folder / f"{match[2]}.txt").read_text(encoding="utf-8").rstrip("\n")
        return f"{match[1]}```\n{table}\n```\n"

    return _BLOCK.sub(block, text)


def main() -> None:
    DOCUMENT.write_text(refreshed(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
