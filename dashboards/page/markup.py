"""HTML from Python calls: everything is escaped unless it was made here."""

from __future__ import annotations

import base64
import gzip
import html
from collections.abc import Iterable

from gapsack.selection.printable import printable

VOID = frozenset({"meta", "br", "input", "col"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(text: object) -> Markup:
    """Text as HTML that shows it literally, in content and in attributes; Markup passes unchanged.

    Control characters, which HTML cannot hold, are left out.
    """
    return text if isinstance(text, Markup) else Markup(html.escape(printable(str(text)), quote=True))


def tag(element: str, /, *children: object, **attributes: str | float | bool | None) -> Markup:
    """An element.

    Args:
        element: its name.
        children: text (escaped) or Markup; None is left out.
        attributes: ``class_`` is written ``class``, underscores become hyphens; None and False leave one out, True
            writes it bare.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in VOID:
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{join(children)}</{element}>")


def join(parts: Iterable[object]) -> Markup:
    """Parts one after another, each escaped unless it is Markup; None is left out."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def packed(text: str) -> Markup:
    """Text as report.js unpacks it, the same for the same text: nothing in it can end a script element."""
    return Markup(base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode())


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'
