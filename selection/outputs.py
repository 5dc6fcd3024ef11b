"""Where something is written: a plain file or a folder is replaced, links are followed, everything else is streamed to.

A pipe, a terminal or a device is nothing that could appear whole: what is written goes through it as it comes, and
whatever stands under its name stays. So `/dev/stdout` works as the name of an output, and nobody's device becomes a
file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gapsack.selection.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import BinaryIO

STANDARD_OUTPUT = Path("/dev/stdout")
"""The name of standard output, by which anything can be written there."""

PART_NAME_BYTES = 15
"""What the name of an unfinished file has more than that of the file: dots, eight digits and `part`."""

_DESCRIPTOR = re.compile(r"/dev/(?:(?P<name>stdin|stdout|stderr)|fd/(?P<fd>\d+))|/proc/(?:self|\d+)/fd/(?P<proc>\d+)")
_NAMED = {"stdin": 0, "stdout": 1, "stderr": 2}
_MOST_LINKS = 40
"""Links after one another that are followed, as the system does."""


def target_of(path: str | PathLike[str]) -> Path:
    """The plain file or folder, there or not, that a path leads to: links are resolved, so that they stay links.

    Raises:
        InputError: links that lead in a circle.
    """
    return _followed(Path(path))


def is_streamed(path: str | PathLike[str]) -> bool:
    """Whether what is written to the path goes through it: a descriptor, pipe, terminal or device."""
    target = _followed(Path(path))
    return _descriptor(target) is not None or _is_special(target)


def is_standard_output(path: str | PathLike[str]) -> bool:
    """Whether what is written to the path goes to standard output, by any of its names."""
    return _descriptor(_followed(Path(path))) == _NAMED["stdout"]


@contextmanager
def stream_to(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """What `is_streamed`, open to write to; it is flushed at the end, and nothing of it is undone."""
    target = _followed(Path(path))
    number = _descriptor(target)
    if number is None:
        with target.open("wb") as file:
            yield file
        return
    stream = {1: sys.stdout, 2: sys.stderr}.get(number)
    if stream is not None:
        stream.flush()  # what was printed before comes first
        if (buffer := _replaced_buffer(stream)) is not None:
            yield buffer
            buffer.flush()
            return
    with os.fdopen(os.dup(number), "wb") as file:
        yield file


def check_file(path: str | PathLike[str]) -> Path:
    """A path to which a file can be written, as far as can be told beforehand; the path itself.

    Raises:
        InputError: a folder, a name too long, a place below a file or in a folder that may not be written to.
    """
    target = _followed(Path(path))
    if _descriptor(target) is not None or _is_special(target):
        return Path(path)
    if _is_folder(target):
        raise InputError(f"expected a file to write to, got the folder {path}")
    _check_place(target, path)
    return Path(path)


def check_folder(path: str | PathLike[str]) -> Path:
    """A path to which a folder can be written, as far as can be told beforehand; the path itself.

    Raises:
        InputError: a file, pipe or device, or what `check_file` refuses.
    """
    target = _followed(Path(path))
    if _descriptor(target) is not None or (_mode(target) is not None and not _is_folder(target)):
        raise InputError(f"expected a folder to write to, got {path}, which is none")
    _check_place(target, path)
    return Path(path)


def _check_place(target: Path, given: str | PathLike[str]) -> None:
    above = target.parent
    while _mode(above) is None and above != above.parent:
        above = above.parent
    if not _is_folder(above):
        raise InputError(f"expected a path to write to, got {given}: {above} is no folder")
    longest = os.pathconf(above, "PC_NAME_MAX") - PART_NAME_BYTES
    missing = target.relative_to(above).parts
    if any(len(os.fsencode(name)) > longest for name in missing):
        raise InputError(f"expected names of at most {longest} bytes in a path to write to, got {_shortened(given)}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"expected a folder that may be written to, got {above} for {given}")


def _followed(path: Path) -> Path:
    """The path behind all links, except that descriptors keep the name by which they are known."""
    current = path.absolute()
    for _ in range(_MOST_LINKS):
        if _descriptor(current) is not None:
            return current
        try:
            link = current.readlink()
        except OSError:
            return Path(os.path.realpath(current))
        current = Path(os.path.realpath(current.parent)) / link
    raise InputError(f"expected a path to write to, got {path}, whose links lead in a circle")


def _descriptor(path: Path) -> int | None:
    match = _DESCRIPTOR.fullmatch(str(path))
    if match is None:
        return None
    return _NAMED[match["name"]] if match["name"] else int(match["fd"] or match["proc"])


def _is_special(path: Path) -> bool:
    mode = _mode(path)
    return mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _is_folder(path: Path) -> bool:
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def _mode(path: Path) -> int | None:
    """Of what is there; None where nothing is. What may not be looked at says so when it is written to."""
    try:
        return path.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP):
            return None
        raise


def _replaced_buffer(stream: object) -> BinaryIO | None:
    """The bytes below a standard stream that a program has put in the place of its own, such as a test or notebook."""
    try:
        stream.fileno()  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        buffer: BinaryIO | None = getattr(stream, "buffer", None)
        return buffer
    return None


def _shortened(path: str | PathLike[str]) -> str:
    text = os.fspath(path)
    return text if len(text) <= 120 else f"{text[:60]}…{text[-50:]}"
