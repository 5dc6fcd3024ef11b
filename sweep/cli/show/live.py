"""A running sweep as a person sees it: a line for each event and, on a terminal, a table of the trials that run.

Elsewhere than on a terminal every line begins with its time, as in a log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gapsack.selection.decimals import mib_number, score_text
from gapsack.sweep.cli.app import is_watched, leave_lost_terminal
from gapsack.sweep.cluster.events import SweepEvents
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.storage.addresses import as_told

BAR_CHARACTERS = 24
MOST_OF_A_TRIAL = 0.95
"""Its last step is not its end: it is averaged and published."""

PACE_SECONDS = 6 * 3600.0
"""What is left is guessed from the pace of so long: trials differ, and a few seconds say nothing."""


class SweepView(SweepEvents):
    """Draws a sweep's events on a console.

    Use it as a context, so that the terminal is left in order:

        with SweepView(messages(), precision="float16") as view:
            launch(..., events=view)
    """

    def __init__(self, console: Console, *, precision: str, items: str = "videos") -> None:
        self._console = console
        self._precision = precision
        self._items = items
        self._before = 0
        self._running: dict[str, dict[str, Any]] = {}
        self._total = 0
        self._done = 0
        self._starting = Spinner("dots", "Starting Ray")
        self._pace = Progress(
            BarColumn(BAR_CHARACTERS),
            TextColumn("{task.fields[done]} of {task.fields[total_trials]} trials"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            speed_estimate_period=PACE_SECONDS,
        )
        self._task = self._pace.add_task("", total=None, start=False, done=0, total_trials=0)
        self._preparing = console.status("")
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=2, transient=True)

    def __enter__(self) -> SweepView:
        return self

    def __exit__(self, *_error: object) -> None:
        self._preparing.stop()
        self._live.stop()

    def checking_data(self) -> None:
        """Show that something is done."""
        self._preparing.update("Checking data files")
        if is_watched(self._console):
            self._preparing.start()

    def opening_tracking(self) -> None:
        """Show what is done now."""
        self._preparing.update("Opening the records")

    def sweep_started(self, *, total: int, done: int) -> None:
        """Say how much there is to do; on a terminal, begin the table."""
        self._preparing.stop()
        self._total, self._done = total, done
        self._pace.update(self._task, total=max(total - done, 1), done=done, total_trials=total)
        self._before = done
        if is_watched(self._console):
            self._live.start()
        self._say(f"{total} trials, {done} of them done already" if done else f"{total} trials")

    def trial_started(self, name: str) -> None:
        """Show the trial in the table."""
        self._running.setdefault(name, {})
        self._pace.start_task(self._task)
        self._say(f"{name} runs")

    def trial_progress(self, name: str, metrics: Mapping[str, Any]) -> None:
        """Renew the trial's row; without a terminal, say each measured GAP."""
        self._running.setdefault(name, {}).update({key: value for key, value in metrics.items() if value is not None})
        self._advance()
        if not self._console.is_terminal and metrics.get("gap") is not None:
            self._say(f"{name} at step {metrics.get('step')}: {_scores(metrics, self._items)}")

    def trial_finished(self, name: str, record: TrialResult) -> None:
        """Say the trial's score and size."""
        self._running.pop(name, None)
        self._done += 1
        self._advance()
        size = record.size_bytes.get(self._precision)
        at = "" if size is None else f", {mib_number(size)} MiB in {self._precision}"
        self._say(f"{name} done: GAP {score_text(record.gap)}{at} ({self._done} of {self._total})", "green")

    def trial_failed(self, name: str, reason: str) -> None:
        """Say why the trial failed."""
        self._running.pop(name, None)
        self._say(f"{name} failed: {reason}", "red")

    def trial_retried(self, name: str, reason: str) -> None:
        """Say why an attempt failed."""
        self._say(f"{name} is tried again, from its last checkpoint: {reason}", "yellow")

    def trial_interrupted(self, name: str) -> None:
        """Take the trial off the table."""
        self._running.pop(name, None)
        self._say(f"{name} stopped; it goes on from its last checkpoint when the sweep is resumed")

    def trial_stopped_early(self, name: str, reason: str) -> None:
        """Say why the trial ended."""
        self._running.pop(name, None)
        self._done += 1
        self._say(f"{name} was stopped early: {reason} ({self._done} of {self._total})", "yellow")

    def stopping(self) -> None:
        """Say that the stop was heard, and how to hurry, if anyone is there: a terminal's end is a reason to stop."""
        leave_lost_terminal()
        self._say("stopping: running trials write a checkpoint (press Ctrl-C again to end at once)", "yellow")

    def time_is_over(self) -> None:
        """Say that the sweep has had its hours."""
        self._say("its time is over: running trials write a checkpoint (press Ctrl-C twice to end at once)", "yellow")

    def sweep_ended(self) -> None:
        """End the table."""
        self._live.stop()

    def ended_at_once(self) -> None:
        """Say that nothing is lost but the steps since the last checkpoints."""
        self._live.stop()
        self._say("Ended at once; the same command goes on from the last checkpoints.")

    def notice(self, message: str) -> None:
        """Pass the message on."""
        self._say(message, "yellow")

    def _advance(self) -> None:
        """Renew the sweep's bar: what is done since it started, and the steps of trials that run."""
        shares = (float(each.get("step", 0)) / each["steps"] for each in self._running.values() if each.get("steps"))
        done = self._done - self._before + sum(min(share, MOST_OF_A_TRIAL) for share in shares)
        self._pace.update(self._task, completed=done, done=self._done)

    def _say(self, line: str, style: str = "") -> None:
        if not self._console.is_terminal:
            line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}"
        try:
            self._console.print(Text(as_told(line), style=style))
        except OSError:  # a terminal's end is seen here before its signal is
            leave_lost_terminal()

    def _draw(self) -> Group:
        """The sweep's bar and a row for each running trial; before the first, that Ray is starting."""
        if not self._running and not self._pace.tasks[0].started:
            return Group(self._starting)
        rows = Table.grid(padding=(0, 2))
        for name, metrics in self._running.items():
            step, steps = metrics.get("step", 0), metrics.get("steps")
            bar = ProgressBar(steps, step, width=BAR_CHARACTERS) if steps else ""
            count = f"{step:,}/{steps:,}" if steps else ""
            rows.add_row(name, bar, count, str(metrics.get("phase", "starting")), _scores(metrics, self._items))
        return Group(self._pace, rows)


def _scores(metrics: Mapping[str, Any], items: str) -> str:
    """The measured values that there are, in words."""
    known = ((name, metrics.get(key)) for name, key in (("GAP", "gap"), ("loss", "loss")))
    told = [f"{name} {score_text(value)}" for name, value in known if value is not None]
    speed = metrics.get("videos_per_second")
    return ", ".join(told if speed is None else [*told, f"{speed:,.0f} {items}/s"])
