"""What a driver and its child with Ray tell each other, as plain values (`sweep.cluster.process`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gapsack.sweep.cluster.session import Session
from gapsack.sweep.grid.schema import Resources
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
    """A worker has begun the trial, or continues it; `settings` are those of `TrialPoint`."""

    name: str
    settings: Mapping[str, Any]


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
    settings: Mapping[str, Any]
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
class TrialStoppedEarly:
    """The trial ended before its last step; how stands in its folder."""

    name: str


@dataclass(frozen=True)
class SweepNotice:
    """Something that a person should know, and that stops nothing."""

    text: str


@dataclass(frozen=True)
class Refused:
    """Nothing can be trained: what an InputError says."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """No trial runs, and none is to follow. The Tune process has nothing more to say, whatever becomes of it."""


TrialMessage = (
    TrialStarted | TrialReported | TrialFinished | TrialFailed | TrialRetried | TrialInterrupted | TrialStoppedEarly
)
Message = TrialMessage | SweepNotice | Refused | Ended


@dataclass(frozen=True)
class MapJob:
    """A child is to have workers answer calls.

    Attributes:
        session: Where Ray's files lie.
        address: A Ray cluster's; Ray on this machine otherwise.
        resources: Of a worker; its CPUs are as many threads.
        at_once: Calls that run at once, whatever CPUs there are; None asks Ray for a worker's CPUs.
    """

    session: Session
    address: str | None
    resources: Resources
    at_once: int | None = None


@dataclass(frozen=True)
class Up:
    """From the child: Ray is there, with so many CPUs."""

    cpus: int


@dataclass(frozen=True)
class Share:
    """To the child: an object that later calls are made with, pickled by value where workers cannot import it."""

    name: str
    pickled: bytes


@dataclass(frozen=True)
class CallBatch:
    """To the child: calls of one function, which gets the shared object and a piece of the work each time.

    One that comes before the last batch is answered says that nobody waits for that any more.

    Attributes:
        number: Of the batch.
        function: Its name, as `module:function`.
        shared: Name of the shared object.
        pieces: An argument for each call.
    """

    number: int
    function: str
    shared: str
    pieces: Sequence[Any]


@dataclass(frozen=True)
class CallAnswer:
    """What the next call of a batch returned, in the order of the pieces."""

    batch: int
    value: Any


@dataclass(frozen=True)
class CallFailed:
    """A call of a batch raised something, or its worker died; nothing more comes of the batch.

    Attributes:
        batch: Its number.
        reason: In a sentence.
        is_input: Whether it was an InputError.
    """

    batch: int
    reason: str
    is_input: bool
