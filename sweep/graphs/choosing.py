"""`select ensemble` and `select frontier`: a pool and options into a search, with progress, a time limit and Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapsack.sweep.atomic import replace_json
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from gapsack.models.graph.size import reserve_bytes
from gapsack.selection.blend.runner import Progress as SearchProgress
from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_json
from gapsack.selection.pool import CandidatePool
from gapsack.selection.units import MIB
from gapsack.sweep.cli.app import messages
from gapsack.sweep.cluster.executor import ray_executor
from gapsack.sweep.cluster.signals import stop_on_signals
from gapsack.sweep.graphs.packing import is_buildable
from gapsack.sweep.runs.sources import Source


@dataclass(frozen=True)
class Search:
    """What both commands ask of a search, as it was typed.

    Args:
        metric: see `load_metric`.
        blend: probability, logit or auto.
        precisions: those that may be used; None for all.
        max_members: at most so many.
        must_have: names of members.
        never_together: names parted by commas, of which one at most may be a member.
        limits: see `parse_limits`.
        tune_share: share of the videos that tune.
        seed: of all random choices.
        workers: threads; None for one a core.
    """

    metric: str
    blend: str
    precisions: Sequence[str] | None
    max_members: int | None
    must_have: Sequence[str]
    never_together: Sequence[str]
    limits: Sequence[str]
    tune_share: float
    seed: int
    workers: int | None

    @contextmanager
    def running(self, time_limit_seconds: float | None, address: str | None) -> Iterator[dict[str, Any]]:
        """Options for `selection`, within a display that shows progress and may stop the search.

        Raises:
            InputError: an option that says nothing sensible, or no cluster at `address`.
        """
        options = {
            "metric": load_metric(self.metric),
            "blend": self.blend,
            "precisions": self.precisions,
            "max_members": self.max_members,
            "must_have": list(self.must_have),
            "never_together": [[name.strip() for name in text.split(",")] for text in self.never_together],
            "limits": parse_limits(self.limits),
            "tune_share": self.tune_share,
            "seed": self.seed,
            "workers": self.workers or os.cpu_count() or 1,
        }
        with ray_executor(address) as executor, search_control(time_limit_seconds) as control:
            yield {**options, **control, "executor": executor}


@dataclass(frozen=True)
class Reserve:
    """Bytes of the budget kept free for the graph around the members; all zero when no graph can be built."""

    fixed_bytes: int
    member_bytes: int

    @classmethod
    def of(cls, pool: CandidatePool) -> Reserve:
        """What graphs of the pool's candidates need at most beside their weights."""
        buildable = [c for c in pool.candidates if is_buildable(c.origin)]
        if not buildable:
            return cls(0, 0)
        fixed = reserve_bytes([])
        # A SavedModel's size counts its own structure; what is added to it is no more than a float32 member's.
        used = {precision for c in buildable if "family" in c.origin for precision in c.size_bytes} or {"float32"}
        return cls(fixed, max(reserve_bytes([precision]) - fixed for precision in used))

    def options(self) -> dict[str, int]:
        """As `search_ensemble` and `frontier` take them."""
        return {"reserve_bytes": self.fixed_bytes, "member_reserve_bytes": self.member_bytes}


def budget_bytes(budget_mb: float) -> int:
    """A budget in MB, which are MiB, in bytes.

    Raises:
        InputError: not above zero.
    """
    if not budget_mb > 0:
        raise InputError(f"expected a budget above 0 MB, got {budget_mb:g}")
    return int(budget_mb * MIB)


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Further budgets by figure, of options such as `latency_ms=20`.

    Raises:
        InputError: not of that form.
    """
    limits = {}
    for text in texts:
        key, _, value = text.partition("=")
        try:
            limits[key] = float(value)
        except ValueError:
            raise InputError(f"expected a limit as figure=number, such as latency_ms=20, got {text!r}") from None
    return limits


def load_metric(text: str) -> Any:
    """A metric by name, or the function that `file.py:function` names.

    Raises:
        InputError: the file or the function is not there.
    """
    file, colon, name = text.rpartition(":")
    if not colon:
        return text
    spec = importlib.util.spec_from_file_location("gapsack_user_metric", file)
    if spec is None or spec.loader is None or not Path(file).is_file():
        raise InputError(f"expected a metric as gap@20, map, log_loss or file.py:function, got {text!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"expected a function {name} in {file}, got none")
    return function


@contextmanager
def search_control(time_limit_seconds: float | None) -> Iterator[Mapping[str, Any]]:
    """Options that let a search be watched and stopped: a line of progress, the time limit, Ctrl-C and SIGTERM.

    The first signal makes the search return the best so far; a second one ends at once.
    """
    console = messages()
    deadline = None if time_limit_seconds is None else time.monotonic() + time_limit_seconds
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
    )
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
        stop_on_signals(lambda: console.print("Stopping with the best so far (again to end at once).")) as stop,
    ):
        task = bar.add_task("Searching", total=None, best="")

        def show(progress: SearchProgress) -> None:
            best = "" if progress.score is None else f"{progress.score:.5f} {' + '.join(progress.members)}"
            bar.update(task, description=progress.stage, completed=progress.done, total=progress.total, best=best)

        def should_stop() -> bool:
            return stop.requested or (deadline is not None and time.monotonic() >= deadline)

        yield {"progress": show, "should_stop": should_stop}


def write_ensemble(record: dict[str, Any], path: Path, pool: Path) -> dict[str, Any]:
    """Write `ensemble.json` with the way to its pool, so that `select build` finds the members."""
    record = {**record, "pool": os.path.relpath(pool, path.absolute().parent)}
    replace_json(path, record)
    return record


def default_output(source: Source, given: Path | None) -> Path:
    """Where ensemble.json goes: as given, into the pool's run, or into the working folder."""
    return given if given is not None else source.beside("ensemble_file", "ensemble.json")
