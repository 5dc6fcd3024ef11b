"""A search that a person watches and may stop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gapsack.selection.blend.runner import SearchProgress
from gapsack.selection.decimals import score_text
from gapsack.sweep.cli.app import is_watched, leave_lost_terminal, messages
from gapsack.sweep.cluster.signals import stop_on_signals


@contextmanager
def search_control(time_limit_seconds: float | None) -> Iterator[Mapping[str, Any]]:
    """Options that let a search be watched and stopped: a line of progress, the time limit, Ctrl-C, SIGTERM, SIGHUP.

    The first signal makes the search return the best so far; a second one ends at once.
    """
    console = messages()
    deadline = None if time_limit_seconds is None else time.monotonic() + time_limit_seconds

    def say_so() -> None:
        leave_lost_terminal()
        console.print("Stopping with the best so far (again to end at once).")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[best]}"),
    )
    with (
        Progress(*columns, console=console, transient=True, disable=not is_watched(console)) as bar,
        stop_on_signals(say_so) as stop,
    ):
        task = bar.add_task("Searching", total=None, best="")

        def show(progress: SearchProgress) -> None:
            best = "" if progress.score is None else f"{score_text(progress.score)} {' + '.join(progress.members)}"
            bar.update(task, description=progress.stage, completed=progress.done, total=progress.total, best=best)

        def should_stop() -> bool:
            return stop.requested or (deadline is not None and time.monotonic() >= deadline)

        yield {"progress": show, "should_stop": should_stop}
