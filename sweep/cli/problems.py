"""Everything that can go wrong, as the sentence that a person sees and the exit code that a script sees.

Errors made on purpose are sentences already. Those of the system become one here and nowhere else: whoever opens a file
need not foresee that it lies below another file, or that the disk is full. What is left is a fault of gapsack's own.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from gapsack.selection.errors import GapsackError, InputError
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.storage.objects import StorageAwayError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

OWN_FAULT = "Failed: an error of gapsack's own"
"""How the sentence of an error begins that nobody foresaw."""

_PATHS = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
    errno.ENXIO,
    errno.ENODEV,
    errno.EINVAL,
)
"""What systems answer to a path that is not what it should be; everything else is no fault of what was typed."""

LONGEST_SHOWN = 200


class ToldProblem(NamedTuple):
    """What a person is told, and the exit code."""

    sentence: str
    code: int


def problem_of(error: Exception) -> ToldProblem | None:
    """What to tell of an error; None for what the command line has words of its own for: usage, a reader that left."""
    if isinstance(error, InputError):
        return ToldProblem(f"Error: {error}", BAD_INPUT)
    if isinstance(error, GapsackError):
        return ToldProblem(f"Failed: {error}", FAILED)
    if _is_the_command_lines(error):
        return None
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError):
        detail = f": {error}" if str(error) else ""
        return ToldProblem(f"Failed: expected more memory than this machine has left{detail}", FAILED)
    return ToldProblem(f"{OWN_FAULT}, {_described(error)}; with --debug the same command shows where", FAILED)


def _of_system(error: OSError) -> ToldProblem | None:
    if error.errno == errno.EPIPE:
        return None
    if isinstance(error, StorageAwayError):
        return ToldProblem(f"Failed: {as_told(str(error))}", FAILED)
    reason = error.strerror or _described(error)
    if error.errno in _PATHS:
        where = "" if error.filename is None else f" {_shortened(as_told(str(error.filename)))}"
        return ToldProblem(f"Error: expected a path that can be used, got{where}: {reason}", BAD_INPUT)
    where = "" if error.filename is None else f", with {_shortened(as_told(str(error.filename)))}"
    return ToldProblem(f"Failed: expected the system to do its part, got: {reason}{where}", FAILED)


def _is_the_command_lines(error: Exception) -> bool:
    """Exits, and what is wrong with the words that were typed: Typer prints these."""
    module = type(error).__module__
    return module.startswith(("typer", "click"))


def _described(error: Exception) -> str:
    text = as_told(" ".join(str(error).split()))
    return f"{type(error).__name__}{f': {_shortened(text)}' if text else ''}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN // 2]}…{text[-LONGEST_SHOWN // 2 :]}"
