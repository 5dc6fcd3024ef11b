"""Faulty records: counted, named, tolerated up to a share of all records."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, NamedTuple

from gapsack.sweep.errors import ConfigError, DataError

# Before this many records are seen, a share says little: one bad record among the first ten is not 10 % of a data set.
_SETTLED_RECORDS = 1000
_EXAMPLES = 20


class Fault(NamedTuple):
    """One record that cannot be used. `record_index` counts from 0 in its file."""

    kind: str
    file: str
    record_index: int
    detail: str

    def __str__(self) -> str:
        return f"{self.file}, record {self.record_index}: {self.detail} ({self.kind})"


class Faults:
    """Counts good and faulty records as they are read, from any thread; one that is read again counts again.

    `max_share`: the share of faulty records, in [0, 1], beyond which `check` raises `DataError`.
    """

    def __init__(self, max_share: float) -> None:
        if not 0 <= max_share <= 1:
            raise ConfigError(f"data.max_bad_share is a share between 0 and 1, got {max_share}.")
        self.max_share = max_share
        self._lock = threading.Lock()
        self._good = 0
        self._counts: Counter[str] = Counter()
        self._examples: dict[tuple[str, int], Fault] = {}

    def add(self, kind: str, file: str, record_index: int, detail: str) -> None:
        """Count one faulty record; the first 20 different ones are kept as examples."""
        with self._lock:
            self._counts[kind] += 1
            self._remember(Fault(kind, file, record_index, detail))

    def good(self, count: int) -> None:
        """Count `count` records that can be used."""
        with self._lock:
            self._good += count

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` continues counting."""
        with self._lock:
            return {
                "good": self._good,
                "faulty": dict(self._counts),
                "examples": [list(fault) for fault in self._examples.values()],
            }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, forgetting what was counted here."""
        with self._lock:
            self._good = state["good"]
            self._counts = Counter(state["faulty"])
            self._examples = {}
            for example in state["examples"]:
                self._remember(Fault(*example))

    def _remember(self, fault: Fault) -> None:
        if len(self._examples) < _EXAMPLES:
            self._examples.setdefault((fault.file, fault.record_index), fault)

    @property
    def counts(self) -> dict[str, int]:
        """Faulty records by kind."""
        with self._lock:
            return dict(self._counts)

    @property
    def examples(self) -> tuple[Fault, ...]:
        """The first faults, each file and record once."""
        with self._lock:
            return tuple(self._examples.values())

    @property
    def share(self) -> float:
        """Faulty records over all records read so far; 0 when none was read."""
        with self._lock:
            bad = self._counts.total()
            return bad / (bad + self._good) if bad else 0.0

    def check(self, *, complete: bool = False) -> None:
        """Raise `DataError` when too many records are faulty, or when all files were read and no record is good.

        `complete`: all files were read once, so the share is exact. Until then the allowance is that of at least 1,000
        records, so that one early fault does not end a trial.
        """
        with self._lock:
            bad, good = self._counts.total(), self._good
            seen = bad + good if complete else max(bad + good, _SETTLED_RECORDS)
            tolerable = bad <= self.max_share * seen and (good > 0 or not complete)
            kinds = ", ".join(f"{count} {kind}" for kind, count in self._counts.most_common())
            first = next(iter(self._examples.values()), None)
        if tolerable:
            return
        if bad == 0:
            raise DataError("The data files must hold at least one record, got empty files.")
        raise DataError(
            f"At most {self.max_share:.4%} of the records may be faulty, and one must be good, "
            f"got {bad} faulty ({kinds}) of {bad + good}; the first is {first}."
        )

    def summary(self) -> dict[str, Any]:
        """Plain data for a trial's record: counts, share, and the first faults as sentences."""
        return {
            "good": self._good,
            "faulty": self.counts,
            "share": self.share,
            "examples": [str(fault) for fault in self.examples],
        }
