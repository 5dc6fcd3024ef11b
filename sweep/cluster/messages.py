"""What a sweep's driver and its Tune process tell each other, as plain values (`sweep.cluster.process`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gapsack.sweep.cluster.session import Session
from gapsack.sweep.runs.spec import SweepSpec


@dataclass(frozen=True)
class TuneJob:
    """What the Tune process is to do, once it is told to `Go`.

    Attributes:
        sweep: Which trials are missing follows from its run folder.
        trial: A `sweep.cluster.worker.TrialFunction`, pickled by value where workers cannot import it.
        session: Where Ray's files lie.
        address: A Ray cluster's; Ray on this machine otherwise.
    """

    sweep: SweepSpec
    trial: bytes
    session: Session
    address: str | None


@dataclass(frozen=True)
class Go:
    """To the Tune process, which has started Ray meanwhile: train."""


@dataclass(frozen=True)
class TrialStarted:
    """A worker has begun the trial, or continues it."""

    name: str
    hyperparameters: Mapping[str, Any]


@dataclass(frozen=True)
class TrialReported:
    """What a running trial reported: `phase`, `step` of `steps`, and what was measured."""

    name: str
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class TrialFinished:
    """The trial's record is written."""

    name: str


@dataclass(frozen=True)
class TrialFailed:
    """The trial failed for good; why stands in its folder too."""

    name: str
    hyperparameters: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class TrialRetried:
    """An attempt failed and another follows."""

    name: str
    reason: str


@dataclass(frozen=True)
class TrialInterrupted:
    """The trial stopped on request."""

    name: str


@dataclass(frozen=True)
class Refused:
    """Nothing can be trained: what an InputError says."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """No trial runs, and none is to follow. The Tune process has nothing more to say, whatever becomes of it."""


TrialMessage = TrialStarted | TrialReported | TrialFinished | TrialFailed | TrialRetried | TrialInterrupted
Message = TrialMessage | Refused | Ended
