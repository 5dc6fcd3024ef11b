"""`sweep run --notify COMMAND`: a command of a person's own at the end of a sweep, however it ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gapsack.sweep.cli.app import errors
from gapsack.sweep.cluster.launch import Launched
from gapsack.sweep.runs.status import run_state
from gapsack.sweep.storage.addresses import as_told

PREFIX = "GAPSACK_"
SECONDS = 60.0
"""How long the command may take; a sweep's end does not wait for ever."""


def facts_of(launched: Launched) -> dict[str, str]:
    """What the command is told, as environment variables."""
    result, state = launched.result, run_state(launched.run)
    ended = "stopped" if result.interrupted else "failed" if result.failed else "done"
    best = state.best
    return told(
        state=ended,
        run=launched.run.name,
        run_folder=launched.run.address,
        done=len(state.done),
        wanted=state.wanted,
        failed=len(result.failed),
        best="" if best is None else best.plan.name,
        best_gap="" if best is None or best.gap is None else f"{best.gap:.6f}",
    )


def facts_of_error(run: str, error: BaseException) -> dict[str, str]:
    """What the command is told of a sweep that an error ended."""
    return told(state="failed", run=run, reason=as_told(" ".join(str(error).split())) or type(error).__name__)


def told(**facts: object) -> dict[str, str]:
    """Facts by the names of environment variables."""
    return {PREFIX + name.upper(): str(value) for name, value in facts.items()}


@contextmanager
def of_an_error(command: str | None, run: str) -> Iterator[None]:
    """Tell the command, if there is one, of an error that leaves the block."""
    try:
        yield
    except BaseException as error:
        if command is not None:
            notify(command, facts_of_error(run, error))
        raise


def notify(command: str, facts: Mapping[str, str]) -> None:
    """Run a command in the shell; that it fails is told, and changes nothing."""
    try:
        subprocess.run(command, shell=True, check=True, timeout=SECONDS, env=os.environ | dict(facts))
    except subprocess.CalledProcessError as error:
        errors().print(f"--notify: the command ended with exit code {error.returncode}: {command}")
    except subprocess.TimeoutExpired:
        errors().print(f"--notify: the command took more than {SECONDS:g} seconds, and was ended: {command}")
