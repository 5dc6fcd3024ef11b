"""Options that name an output: a file, `-` for standard output, or a folder. What cannot be one is told at once.

An output is opened by `selection.files`, whatever the command; here is what a person may type, and that what a command
tells of its result gets out of the way when standard output is the result.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import typer

from gapsack.selection.errors import InputError
from gapsack.selection.outputs import STANDARD_OUTPUT, check_file, check_folder, is_standard_output
from gapsack.sweep.storage.mirrored import to_write

_taken: ContextVar[bool] = ContextVar("standard output is the result")
_json: ContextVar[bool] = ContextVar("standard output has JSON")
_csv: ContextVar[bool] = ContextVar("standard output has CSV")


def is_taken() -> bool:
    """Whether the command's output goes to standard output."""
    return _taken.get(False)


@contextmanager
def standard_output() -> Iterator[None]:
    """Within it, standard output belongs to nobody until an option takes it."""
    before = [(use, use.set(False)) for use in (_taken, _json, _csv)]
    try:
        yield
    finally:
        for use, token in before:
            use.reset(token)


def check_json(wanted: bool) -> bool:
    """The option `--json`, which needs standard output for itself."""
    _json.set(wanted)
    _check_one_use()
    return wanted


def check_csv(wanted: bool) -> bool:
    """The option `--csv`, which needs standard output for itself."""
    _csv.set(wanted)
    _check_one_use()
    return wanted


def output_file(typed: str | Path) -> Path:
    """A file to write, as it is typed; `-` is standard output, and `./-` a file of that name.

    Raises:
        InputError: nothing can be written there, or standard output is wanted twice.
    """
    if os.fspath(typed) == "-":
        typed = STANDARD_OUTPUT
    path = check_file(Path(typed).absolute() if os.fspath(typed) == "./-" else to_write(typed))
    if is_standard_output(path):
        if is_taken():
            raise InputError("expected one output on standard output, got two")
        _taken.set(True)
        _check_one_use()
    return path


def output_folder(typed: str | Path) -> Path:
    """A folder to write, as it is typed. Raises an InputError when nothing can be written there."""
    if os.fspath(typed) == "-":
        raise InputError("expected a folder to write to, got -, standard output (./- is a folder of that name)")
    return check_folder(to_write(typed))


def FileOption(help: str) -> object:  # noqa: N802 (named as what it makes)
    """An option that takes an `output_file`."""
    return typer.Option(help=f"{help} (- for standard output)", parser=output_file, metavar="FILE")


def FolderOption(help: str, metavar: str = "DIR") -> object:  # noqa: N802 (named as what it makes)
    """An option that takes an `output_folder`."""
    return typer.Option(help=help, parser=output_folder, metavar=metavar)


def _check_one_use() -> None:
    uses = {"--json": _json.get(False), "--csv": _csv.get(False), "an output on standard output": is_taken()}
    wanted = [use for use, is_wanted in uses.items() if is_wanted]
    if len(wanted) > 1:
        raise InputError(f"expected {' or '.join(wanted)}, got {'both' if len(wanted) == 2 else 'all'}")
