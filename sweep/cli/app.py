"""What both command lines share: tables and JSON on standard output, progress and errors on standard error.

Exit codes: 0 done; 1 part of the work failed, or an error of ours; 2 bad input, in one sentence; 130 interrupted, 143
and 129 by SIGTERM and SIGHUP. What goes wrong is always a sentence (`sweep.cli.problems`); `--debug` adds the trace.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import termios
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from gapsack import __version__
from gapsack.selection.printable import escaped_json, printable
from gapsack.sweep.cli.outputs import check_json, is_taken, standard_output
from gapsack.sweep.cli.problems import INTERRUPTED, problem_of
from gapsack.sweep.cli.verbosity import Verbosity, is_quiet, taken_out, verbosity
from gapsack.sweep.cluster.signals import EndedBySignalError
from gapsack.sweep.storage.addresses import as_told
from gapsack.sweep.storage.mirrored import reading

DEBUG = "--debug"
VERBOSITY = "--verbose"
SIGNAL_CODES = 128


MOST_FITTED_ROWS = 2000
"""A table with more rows is not fitted to the terminal: that takes a millisecond a row, and nobody reads it there."""

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON for machines instead of a table.", callback=check_json)
]
"""The option that every command with a result has."""


def _print_version(wanted: bool) -> None:
    if wanted:
        output().print(f"gapsack {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Print gapsack's version.", callback=_print_version, is_eager=True)
]


def _taken_before(_wanted: bool) -> None:
    """Nothing: `Commands` takes the option wherever it stands. This makes it known to the help."""


DebugOption = Annotated[
    bool,
    typer.Option("--debug", help="Show the trace of an error; may stand anywhere in the line.", callback=_taken_before),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Only results and errors; may stand anywhere in the line.", callback=_taken_before
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Also what Ray, TensorFlow and MLflow log; may stand anywhere in the line.",
        callback=_taken_before,
    ),
]


class Commands(TyperGroup):
    """A group of commands whose errors become a sentence and an exit code; the outermost group tells them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug`, `--quiet` and `--verbose` out of the line, wherever they stand before `--`."""
        end = args.index("--") if "--" in args else len(args)
        if DEBUG in args[:end]:
            ctx.meta[DEBUG] = True
            args = [word for word in args[:end] if word != DEBUG] + args[end:]
        args, chosen = taken_out(args)
        if ctx.parent is None:
            ctx.meta[VERBOSITY] = chosen
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        with standard_output(), verbosity(ctx.meta.get(VERBOSITY, Verbosity.NORMAL)):
            try:
                with reading():
                    return super().invoke(ctx)
            except KeyboardInterrupt as error:
                errors().print("Interrupted.")
                code = signal_exit_code(error.number) if isinstance(error, EndedBySignalError) else INTERRUPTED
                raise typer.Exit(code) from error
            except Exception as error:
                problem = problem_of(error)
                if problem is None:
                    raise
                if ctx.meta.get(DEBUG):
                    errors().print("".join(traceback.format_exception(error)).rstrip())
                errors().print(problem.sentence)
                raise typer.Exit(problem.code) from error


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
    def options(
        version: VersionOption = False,
        quiet: QuietOption = False,
        verbose: VerboseOption = False,
        debug: DebugOption = False,
    ) -> None:
        """What comes before a command; these options have done what they do when they are read."""

    return app


class Column(NamedTuple):
    """A column of a table; numbers are set to the right."""

    title: str
    is_number: bool = False


class PlainConsole(Console):
    """A console on which text is text: control characters that stand in a name or a message do not reach the terminal.

    Colours and cursors of our own are no text: rich keeps them apart until it writes. Places at URLs go by these.
    """

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as rich does."""
        super().print(*(as_told(each) if isinstance(each, str) else each for each in objects), **how)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of anything that is printed, drawn or part of a table."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text)
            yield segment if text is segment.text else Segment(text, segment.style)


def output() -> Console:
    """Where results go. Made anew each time, so that it follows a redirected `sys.stdout`.

    When a command's output itself goes to standard output, what it tells of it goes to standard error.
    """
    return messages() if is_taken() else PlainConsole(highlight=False, markup=False, soft_wrap=True)


def messages() -> Console:
    """Where progress and notices go: standard error, so that results can be piped; with `--quiet` nowhere."""
    return PlainConsole(stderr=True, highlight=False, markup=False, soft_wrap=True, quiet=is_quiet())


def errors() -> Console:
    """Where errors go, and what a person has to answer: standard error, however quiet a command is to be."""
    return PlainConsole(stderr=True, highlight=False, markup=False, soft_wrap=True)


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
    text = escaped_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
    sys.stdout.write(as_told(text) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table; None is an empty cell. On a terminal it is fitted to its width, if it is not too long."""
    console, cells = output(), [["" if cell is None else as_told(str(cell)) for cell in row] for row in rows]
    if not console.is_terminal or len(cells) > MOST_FITTED_ROWS:
        _write_lines(console, ([title] if title else []) + _plain_table(columns, cells))
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", no_wrap=True)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table, soft_wrap=False)


def print_reasons(reasons: Mapping[str, str | None]) -> None:
    """Print reasons by name, below their table, where there is room for sentences."""
    _write_lines(output(), [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None])


def _plain_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table whose cells are shown whole, however wide: of a hundred thousand rows in moments."""
    parted = zip(*rows, strict=True) if rows else [()] * len(columns)
    texts = [(column.title, *cells) for column, cells in zip(columns, parted, strict=True)]
    widths = [max(map(cell_len, each)) for each in texts]

    def line(cells: Sequence[str]) -> str:
        filled = (
            fill + cell if column.is_number else cell + fill
            for column, cell, width in zip(columns, cells, widths, strict=True)
            for fill in (" " * (width - cell_len(cell)),)
        )
        return "  ".join(filled).rstrip()

    return [line([column.title for column in columns]), *map(line, rows)]


def _write_lines(console: Console, lines: Sequence[str]) -> None:
    """Print lines as they are, all at once."""
    if lines:
        console.file.write(printable(as_told("\n".join(lines))) + "\n")


def is_watched(console: Console) -> bool:
    """Whether somebody sees what moves on it."""
    return console.is_terminal and not console.quiet


@contextmanager
def working(description: str) -> Iterator[None]:
    """On a terminal, a word and a spinner while something goes on that cannot be counted."""
    console = messages()
    if is_watched(console):
        with console.status(description):
            yield
    else:
        yield


class RateColumn(ProgressColumn):
    """How many of a unit a second, over the last half minute."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Nothing before it is known."""
        return Text("" if task.speed is None else f"{task.speed:,.0f} {self._unit} per second")


@contextmanager
def progress_bar(
    description: str, total: int | None, *, starting: str | None = None, unit: str | None = None
) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; the block gets a function that advances it. Elsewhere than on a terminal it is silent.

    Args:
        description: what goes on.
        total: how far; None where nobody knows.
        starting: what goes on until it advances for the first time; None for the same.
        unit: what it counts, where the bar is to say how many a second.
    """
    console = messages()
    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        *([] if unit is None else [RateColumn(unit)]),
    )
    with Progress(*columns, console=console, transient=True, disable=not is_watched(console)) as progress:
        task = progress.add_task(starting or description, total=total)

        def advance(amount: int) -> None:
            progress.update(task, advance=amount, description=description)

        yield advance
