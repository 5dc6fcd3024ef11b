"""How much a command says besides its result: `--quiet`, `--verbose`, and in between what a person wants to follow.

Quiet leaves results and errors. Verbose adds what Ray, TensorFlow and MLflow log: TensorFlow's own lines and Python's
logging on standard error, and those of Ray and its workers in the run's ray.log, which then stays.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum

import typer

from gapsack.sweep.cluster.logs import VERBOSE


class Verbosity(IntEnum):
    """How much is said."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


FLAGS = {"-q": Verbosity.QUIET, "--quiet": Verbosity.QUIET, "-v": Verbosity.VERBOSE, "--verbose": Verbosity.VERBOSE}
"""What is typed, wherever it stands in the line."""

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_chosen: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity.NORMAL)


def is_quiet() -> bool:
    """Whether only results and errors are wanted."""
    return _chosen.get() is Verbosity.QUIET


def is_verbose() -> bool:
    """Whether what libraries log is wanted too."""
    return _chosen.get() is Verbosity.VERBOSE


def taken_out(words: list[str]) -> tuple[list[str], Verbosity]:
    """A command line without the flags of this module, and what they ask for. Words behind `--` are left alone.

    Raises:
        typer.BadParameter: both quiet and verbose.
    """
    end = words.index("--") if "--" in words else len(words)
    asked = {FLAGS[word] for word in words[:end] if word in FLAGS}
    if len(asked) > 1:
        raise typer.BadParameter("expected --quiet or --verbose, got both")
    rest = [word for word in words[:end] if word not in FLAGS] + words[end:]
    return rest, asked.pop() if asked else Verbosity.NORMAL


@contextmanager
def verbosity(chosen: Verbosity) -> Iterator[None]:
    """Say as much as this in the block, processes that are started there included."""
    token = _chosen.set(chosen)
    before = {name: os.environ.get(name) for name in (VERBOSE, _LOG_LEVEL)}
    if chosen is Verbosity.VERBOSE:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
        os.environ[VERBOSE] = "1"
        os.environ.setdefault(_LOG_LEVEL, "0")
    try:
        yield
    finally:
        _chosen.reset(token)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
