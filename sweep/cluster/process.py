"""A child in which Ray lives, and nothing else does, seen from the process that a person started.

Ray catches signals, prints, starts threads of its own, and ends its process when it has lost another of its processes
or when these threads meet its own shutdown. None of it must reach the process that holds the run, the terminal and
MLflow (docs/adr/0015, 0024). `sweep.cluster.entry` runs in the child: `tune` for a sweep, `mapped` for the rest.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from gapsack.sweep.cluster import reaper
from gapsack.sweep.cluster.address import checked_address
from gapsack.sweep.cluster.logs import logs_are_wanted
from gapsack.sweep.cluster.messages import Ended, Message, Refused, TuneJob
from gapsack.sweep.cluster.session import Session, reaped_session, session_variables
from gapsack.sweep.runs.spec import SweepSpec

TICK_SECONDS = 0.2
"""How soon the driver looks up from waiting for a message."""

SHUTDOWN_SECONDS = 15.0
"""How long the process may take to take leave of Ray; then it is killed."""

Child = TypeVar("Child", bound="RayProcess")

_PREFIX = re.compile(r"^\[[^]]*\] (\(\w+\) )?\S+:\d+: ")

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from gapsack.sweep.cluster.entry import main; main()"
)
"""The child finds modules where its parent does. It is no file or `-m`: these would put folders of their own first."""


class RayProcess:
    """A running child with Ray.

    Attributes:
        died: Whether it is known to be gone, or its end of the connection.
        log_is_named: Whether somebody was pointed to the log.
    """

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection, log: Path) -> None:
        self._process = process
        self._connection = connection
        self._log = log
        self.died = False
        self.log_is_named = False

    def send(self, message: object) -> None:
        """Tell it something."""
        with suppress(ConnectionError):  # it is dead, as the next `receive` tells
            self._connection.send(message)

    def receive(self) -> Any:
        """What it tells next, or None when it is silent for a moment or has died."""
        try:
            if self._connection.poll(TICK_SECONDS):
                return self._connection.recv()
            if self._process.poll() is not None and not self._connection.poll():
                self.died = True
        except (EOFError, ConnectionError):
            self.died = True
        return None

    def ending(self) -> str:
        """Of a process that died: how."""
        try:
            code = self._process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            return "fell silent"
        return f"was killed (signal {-code})" if code < 0 else f"ended (exit code {code})"

    def last_words(self) -> str:
        """What it and Ray printed last, without the time and place of a line of Ray's log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        printed = [text for line in lines if (text := _PREFIX.sub("", line).strip())]
        self.log_is_named = bool(printed)
        return f"it printed last: {printed[-1]} (all of it: {self._log})" if printed else "it printed nothing"

    def leave(self) -> None:
        """Let it take leave of Ray, for as long as it may."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(SHUTDOWN_SECONDS)


class TuneProcess(RayProcess):
    """A running Tune process.

    `died` says whether its messages ended before it had said that it has no more.
    """

    told_all = False

    def messages(self) -> Iterator[Message | None]:
        """What it tells until it has told all or died, and None now and then while it is silent."""
        while not (self.told_all or self.died):
            message = self.receive()
            self.told_all = isinstance(message, Ended | Refused)
            yield message


@contextmanager
def tune_process(sweep: SweepSpec, trial: bytes, address: str | None, log: Path) -> Iterator[TuneProcess]:
    """A Tune process that starts Ray for a sweep, and trains when it is told to `Go`; nothing of it outlives the block.

    Args:
        sweep: the sweep.
        trial: the pickled trial function.
        address: a Ray cluster; Ray on this machine otherwise.
        log: the file that gets what the process and Ray print; it stays if `last_words` named it, or logs are wanted.
    """
    with ray_process(TuneProcess, lambda session: TuneJob(sweep, trial, session, address), address, log) as running:
        yield running
        if running.told_all:
            running.leave()


@contextmanager
def ray_process(kind: type[Child], job: Callable[[Session], object], address: str | None, log: Path) -> Iterator[Child]:
    """A child that is given a job, in a session of its own; nothing of it outlives the block.

    Args:
        kind: what the child is seen as.
        job: what it is to do, which `sweep.cluster.entry` knows.
        address: a Ray cluster; Ray on this machine otherwise.
        log: the file that gets what the child and Ray print; it stays if `last_words` named it, or logs are wanted.

    Raises:
        InputError: no cluster can be at the address.
    """
    if address is not None:
        address = checked_address(address)
    with reaped_session() as session:
        ours, theirs = Pipe()
        with ours:
            with theirs:
                process = _start(session, address, theirs.fileno(), log)
            running = kind(process, ours, log)
            try:
                running.send(job(session))
                yield running
            finally:
                process.kill()
                process.wait()
                if not (running.log_is_named or logs_are_wanted()):
                    log.unlink(missing_ok=True)


def _start(session: Session, address: str | None, descriptor: int, log: Path) -> subprocess.Popen[bytes]:
    modules = json.dumps([folder for folder in sys.path if isinstance(folder, str)])
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", START, modules, str(descriptor)],
            env=os.environ | session_variables(session, address) | {reaper.MARK: session.mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(descriptor,),
            start_new_session=True,  # a terminal's signals are the driver's
        )
