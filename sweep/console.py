"""What both command lines share: tables and JSON on standard output, progress and errors on standard error.

Exit codes: 0 done; 1 part of the work failed, or an error of ours; 2 bad input, in one sentence; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, NoReturn

import click
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from selection.errors import GapsackError, InputError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")]
"""The option that every command with a result has."""


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


def print_json(value: Any) -> None:
    """Print a value as JSON, and nothing else, to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Print rows as a table; None is an empty cell. A file or a pipe gets it at full width."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", no_wrap=column.is_number)
    for row in rows:
        table.add_row(*[Text("" if cell is None else str(cell)) for cell in row])
    console = output()
    if not console.is_terminal:
        console.width = max(console.width, console.measure(table).maximum)
    console.print(table)


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


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit with its code; errors made on purpose become a sentence, not a stack trace."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except InputError as error:
        messages().print(f"Error: {error}")
        sys.exit(BAD_INPUT)
    except GapsackError as error:
        messages().print(f"Failed: {error}")
        sys.exit(FAILED)
    except (KeyboardInterrupt, click.Abort):
        messages().print("Interrupted.")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader (`head`, a closed pager) has what it wanted; Python would complain again at exit when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
