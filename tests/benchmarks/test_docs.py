from __future__ import annotations

import re

import pytest

from benchmarks.docs import DOCUMENT, refreshed
from benchmarks.report import RESULTS


def test_every_table_of_the_document_is_a_result() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert refreshed(text) == text
    shown = set(re.findall(r"<!-- results: ([a-z0-9_]+) -->", text))
    assert shown == {path.stem for path in RESULTS.glob("*.txt")}


def test_a_table_is_replaced_and_the_text_around_it_is_not(tmp_path) -> None:
    (tmp_path / "speed.txt").write_text("new  table\n")
    text = "before\n<!-- results: speed -->\n```\nold\nlines\n```\nafter\n```\nother\n```\n"
    found = refreshed(text, tmp_path)
    assert found == "before\n<!-- results: speed -->\n```\nnew  table\n```\nafter\n```\nother\n```\n"
    assert refreshed(found, tmp_path) == found
    with pytest.raises(FileNotFoundError):
        refreshed(text.replace("speed", "none"), tmp_path)
