"""Text from elsewhere as a terminal or a page may show it.

Names in pools, runs and error messages may come from anyone. In a terminal, a control character in them is a command:
it moves the cursor, changes the window's title, hides what comes after. Those that turn the direction of writing make
one name look like another.
"""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Unicode's control characters but for tab and new line, its separators of lines, and what turns the direction."""


def printable(text: str) -> str:
    """The text without control characters; lines and tabs stay."""
    return _CONTROLS.sub("", text) if _CONTROLS.search(text) else text


def escaped_json(text: str) -> str:
    """JSON in which the control characters that it may hold as they are stand as `\\uXXXX`: the same value."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
