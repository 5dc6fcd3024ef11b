"""How places are named to people: what lies at a URL by that URL, whichever folder of this machine it is worked on in.

Code knows folders alone, and its sentences name them. So texts are looked through where they leave the program: on a
terminal, as JSON, in what a worker says of its end, and in what is written for others to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapsack.sweep.storage.mirror import url_below
from gapsack.sweep.storage.remote import DRIVERS

SCHEMES = (*DRIVERS, "memory")
"""Of the URLs that a path is taken for: `s3:/bucket`, which is what becomes of one that goes through a path."""

_ONLY_HERE = r"(?![^\s,;:()'\"]*/ray\.log\b)"
"""What no bucket has: a person finds it in the folder."""

_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*)/"
_ONE_SLASH = re.compile(rf"(?<![\w/.-])({'|'.join(SCHEMES)}):/(?=[^/\s])")

_roots: dict[Path, re.Pattern[str]] = {}


def note_root(root: Path) -> None:
    """From now on what lies below `root` is named by its URL."""
    _roots[root] = re.compile(rf"{re.escape(str(root))}/{_SCHEME}{_ONLY_HERE}")


def drop_root(root: Path) -> None:
    """It is gone, and named no more."""
    _roots.pop(root, None)


def address_of(path: Path) -> str:
    """How a person knows a place: by its URL, or by its path."""
    absolute = path.absolute()
    for root in list(_roots):
        if absolute != root and absolute.is_relative_to(root):
            return url_below(root, absolute)
    return _ONE_SLASH.sub(r"\1://", str(path))


def as_told(text: str) -> str:
    """A text in which places at URLs are named by these."""
    for root, below in list(_roots.items()):
        if str(root) in text:
            text = below.sub(r"\1://", text)
    return _ONE_SLASH.sub(r"\1://", text) if ":/" in text else text


@contextmanager
def telling_urls() -> Iterator[None]:
    """For the time of the block, errors that leave it name places by their URLs."""
    try:
        yield
    except Exception as error:
        retell(error)
        raise


def retell(error: BaseException) -> None:
    """Have an error, and those that led to it, name places by their URLs: it goes where their folders are unknown."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.args = tuple(as_told(part) if isinstance(part, str) else part for part in each.args)
        if isinstance(each, OSError):
            for name in ("strerror", "filename", "filename2"):
                if isinstance(part := getattr(each, name), str | Path):
                    setattr(each, name, as_told(str(part)))
        waiting += [each.__cause__, each.__context__]
