"""What both command lines share: tables and JSON on standard output, progress and errors on standard error.

Exit codes: 0 done; 1 part of the work failed, or an error of ours; 2 bad input, in one sentence; 130 interrupted, 143
and 129 by SIGTERM and SIGHUP.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import termios
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from gapsack import __version__
from gapsack.selection.errors import GapsackError, InputError
from gapsack.sweep.cluster.signals import EndedBySignalError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130
SIGNAL_CODES = 128

PIPE_CHARACTERS = 1000
"""Width of a table that goes to a file or a pipe: nothing there is cut."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")]
"""The option that every command with a result has."""


def _print_version(wanted: bool) -> None:
    if wanted:
        output().print(f"gapsack {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print gapsack's version.", callback=_print_version, is_eager=True)
]


class Commands(TyperGroup):
    """A group of commands whose errors, when made on purpose, become a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            messages().print(f"Error: {error}")
            raise typer.Exit(BAD_INPUT) from error
        except GapsackError as error:
            messages().print(f"Failed: {error}")
            raise typer.Exit(FAILED) from error
        except KeyboardInterrupt as error:
            messages().print("Interrupted.")
            code = signal_exit_code(error.number) if isinstance(error, EndedBySignalError) else INTERRUPTED
            raise typer.Exit(code) from error


def signal_exit_code(number: int) -> int:
    """What a shell says of a command that a signal ended."""
    return SIGNAL_CODES + number


def make_app(name: str, purpose: str) -> typer.Typer:
    """A command line with the habits of the house; call the result to run it."""
    app = typer.Typer(
        name=name,
        help=purpose,
        cls=Commands,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_show_locals=False,
    )

    @app.callback()
    def options(version: VersionOption = False) -> None:
        """What comes before a command; the version is printed as soon as its option is read."""

    return app


class Column(NamedTuple):
    """A column of a table; numbers are set to the right."""

    title: str
    is_number: bool = False


def output() -> Console:
    """Where results go. Made anew each time, so that it follows a redirected `sys.stdout`."""
    return Console(highlight=False, markup=False, soft_wrap=True)


def messages() -> Console:
    """Where progress, notices and errors go: standard error, so that results can be piped."""
    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def leave_lost_terminal() -> None:
    """Where the terminal is gone, as after a dropped ssh, print to nowhere from now on: writing to it would fail."""
    for stream in (sys.stdout, sys.stderr):
        try:
            termios.tcgetattr(stream)
        except termios.error as error:
            if error.args[0] == errno.EIO:  # no terminal at all is another error
                with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it is no file
                    os.dup2(nowhere.fileno(), stream.fileno())
        except (OSError, ValueError):
            continue  # a stream that is no file, as a notebook's


def print_json(value: Any) -> None:
    """Print a value as JSON, and nothing else, to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table; None is an empty cell."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*[Text("" if cell is None else str(cell)) for cell in row])
    console = output()
    if not console.is_terminal:
        console.width = PIPE_CHARACTERS
    console.print(table, soft_wrap=False)


def print_reasons(reasons: Mapping[str, str | None]) -> None:
    """Print reasons by name, below their table, where there is room for sentences."""
    for name, reason in reasons.items():
        if reason is not None:
            output().print(f"{name}: {reason}")


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; the block gets a function that advances it. Elsewhere than on a terminal it is silent."""
    console = messages()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total)

        def advance(amount: int) -> None:
            progress.advance(task, amount)

        yield advance
