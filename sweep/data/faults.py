"""Faulty records and damaged files: counted, named, tolerated up to a share of all records."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from gapsack.sweep.errors import ConfigError, DataError

EMPTY_FILE = "empty file"
"""Kind of a file without a byte: no record of it is faulty, but a person should know."""

_EXAMPLES = 20
_NAMED = 5  # files in a sentence
# Who cannot tell what lies ahead judges by what was read; before so many records, one bad one is no share of anything.
_SETTLED_RECORDS = 1000
# Before the end of a pass, records still to come count as so many times more than their bytes suggest: a pass is ended
# early only where its end could not save it, in whatever order the files come.
_SLACK = 20


class Fault(NamedTuple):
    """One record that cannot be used, or the rest of a file. `record_index` counts from 0 in its file.

    `lost_bytes`: of a rest, its bytes; 0 for one record, or for an empty file.
    """

    kind: str
    file: str
    record_index: int
    detail: str
    lost_bytes: int = 0

    def __str__(self) -> str:
        return f"{self.file}, record {self.record_index}: {self.detail} ({self.kind})"

    @property
    def is_of_a_file(self) -> bool:
        """Whether the file is not whole."""
        return self.lost_bytes > 0 or self.kind == EMPTY_FILE


class Faults:
    """Counts good and faulty records as they are read, from any thread; one that is read again counts again.

    The rest of a file that cannot be read counts as so many records as its bytes would hold of the mean size of those
    that were read, at least as one.

    `max_share`: the share of faulty records, in [0, 1], beyond which `check` raises `DataError`.
    `allow_damaged`: None where files may be damaged within that share. Otherwise every file must be whole but those of
    these names (folders do not matter), of which what is lost is told and counts as nothing.
    """

    def __init__(self, max_share: float, allow_damaged: Collection[str] | None = None) -> None:
        if not 0 <= max_share <= 1:
            raise ConfigError(f"data.max_bad_share is a share between 0 and 1, got {max_share}.")
        self.max_share = max_share
        self._must_be_whole = allow_damaged is not None
        self._allowed = frozenset(PurePath(name).name for name in allow_damaged or ())
        self._lock = threading.Lock()
        self._good = 0
        self._sized = (0, 0)  # records of known size, and their bytes
        self._counts: Counter[str] = Counter()
        self._rests = (0, 0)  # rests of files that are lost, and their bytes
        self._damaged: dict[str, str] = {}
        self._examples: dict[tuple[str, int], Fault] = {}

    def add(self, kind: str, file: str, record_index: int, detail: str, lost_bytes: int = 0) -> None:
        """Count a fault; the first 20 different ones are kept as examples, and every file that is not whole."""
        fault = Fault(kind, file, record_index, detail, lost_bytes)
        with self._lock:
            if fault.is_of_a_file:
                name = PurePath(file).name
                self._damaged.setdefault(name, f"{detail} ({kind})")
                if fault.kind == EMPTY_FILE or name in self._allowed:
                    return
            self._counts[kind] += 1
            if lost_bytes > 0:
                self._rests = self._rests[0] + 1, self._rests[1] + lost_bytes
            self._remember(fault)

    def good(self, count: int, size_bytes: int = 0) -> None:
        """Count `count` records that can be used, of `size_bytes` of their files in all where that is known."""
        with self._lock:
            self._good += count
            if size_bytes > 0:
                self._sized = self._sized[0] + count, self._sized[1] + size_bytes

    def state(self) -> dict[str, Any]:
        """Plain data from which `restore` continues counting."""
        with self._lock:
            return {
                "good": self._good,
                "sized": list(self._sized),
                "faulty": dict(self._counts),
                "rests": list(self._rests),
                "damaged": dict(self._damaged),
                "examples": [list(fault[:4]) for fault in self._examples.values()],
            }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave, here or in an earlier version; what was counted here is forgotten."""
        with self._lock:
            self._good = state["good"]
            self._sized = _pair(state.get("sized"))
            self._counts = Counter(state["faulty"])
            self._rests = _pair(state.get("rests"))
            self._damaged = dict(state.get("damaged", {}))
            self._examples = {}
            for example in state["examples"]:
                self._remember(Fault(*example))

    def _remember(self, fault: Fault) -> None:
        if len(self._examples) < _EXAMPLES:
            self._examples.setdefault((fault.file, fault.record_index), fault)

    @property
    def counts(self) -> dict[str, int]:
        """Faults by kind; the lost rest of a file is one."""
        with self._lock:
            return dict(self._counts)

    @property
    def examples(self) -> tuple[Fault, ...]:
        """The first faults, each file and record once."""
        with self._lock:
            return tuple(self._examples.values())

    @property
    def damaged_files(self) -> dict[str, str]:
        """Files that are not whole, empty ones included, by name without their folder; and what is wrong with each."""
        with self._lock:
            return dict(self._damaged)

    @property
    def share(self) -> float:
        """Faulty records over all records read so far, lost rests by their estimate; 0 when none was read."""
        with self._lock:
            bad = self._bad()
            return bad / (bad + self._good) if bad else 0.0

    def _bad(self) -> int:
        """Records that cannot be used, lost rests by their estimate."""
        return self._counts.total() - self._rests[0] + self._lost_records()

    def _lost_records(self) -> int:
        """About how many records lost rests held."""
        rests, lost_bytes = self._rests
        records, size_bytes = self._sized
        return max(rests, round(lost_bytes * records / size_bytes)) if size_bytes else rests

    def check(self, *, complete: bool = False, ahead_bytes: Callable[[], int] | None = None) -> None:
        """Raise `DataError` when too many records are faulty, when a file is damaged that must not be, or when all was
        read and no record is good.

        `complete`: all files were read once, so the share is exact. Before, what is to come decides with: `ahead_bytes`
        tells how many bytes of the files still lie ahead, and is asked only where the share so far is too large.
        Without it the allowance is that of at least 1,000 records, so that one early fault does not end a trial.
        """
        with self._lock:
            bad, good = self._bad(), self._good
            damaged = {file: why for file, why in self._damaged.items() if file not in self._allowed}
        broken = damaged if self._must_be_whole else {}
        if complete and broken:
            raise DataError(_not_whole(broken))
        seen = bad + good
        if complete:
            if bad <= self.max_share * seen and good > 0:
                return
        elif bad <= self.max_share * seen or bad <= self.max_share * self._expected(seen, ahead_bytes):
            return
        raise DataError(_not_whole(broken) if broken else self._too_many())

    def _expected(self, seen: int, ahead_bytes: Callable[[], int] | None) -> float:
        """Of how many records a share is taken before the end of a pass, `seen` ones of which were read."""
        if ahead_bytes is None:
            return max(seen, _SETTLED_RECORDS)
        records, size_bytes = self._sized
        return seen + _SLACK * ahead_bytes() * records / size_bytes if size_bytes else float("inf")

    def _too_many(self) -> str:
        with self._lock:
            bad, good = self._bad(), self._good
            kinds = ", ".join(f"{count} {kind}" for kind, count in self._counts.most_common())
            rests, lost_bytes = self._rests
            lost = self._lost_records()
            first = next(iter(self._examples.values()), None)
        if bad == 0:
            return "The data files must hold at least one record, got empty files."
        about = "about " if lost > rests else ""
        if about:
            kinds += f"; {lost_bytes:,} bytes of {rests} files, about {lost} records, cannot be read"
        return (
            f"At most {self.max_share:.4%} of the records may be faulty, and one must be good, "
            f"got {about}{bad} faulty ({kinds}) of {bad + good}; the first is {first}."
        )

    def summary(self) -> dict[str, Any]:
        """Plain data for a trial's record: counts, share, damaged files, and the first faults as sentences.

        `lost_records` is how many records the lost rests of files may have held.
        """
        with self._lock:
            rests, lost = self._rests, self._lost_records()
        return {
            "good": self._good,
            "faulty": self.counts,
            "share": self.share,
            "lost_bytes": rests[1],
            "lost_records": lost,
            "damaged_files": self.damaged_files,
            "examples": [str(fault) for fault in self.examples],
        }


def told(summary: Mapping[str, Any]) -> str | None:
    """What a `Faults.summary` says, for a person; None where nothing was wrong. One of an earlier version will do."""
    counts, damaged = summary.get("faulty") or {}, summary.get("damaged_files") or {}
    parts = []
    if counts:
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        parts.append(f"{summary.get('share', 0.0):.2%} of the records read were faulty and left out ({kinds})")
    if damaged:
        lost = summary.get("lost_records") or 0
        about = f", about {lost} of the records read lost" if lost else ""
        files = "1 file is" if len(damaged) == 1 else f"{len(damaged)} files are"
        parts.append(f"{files} not whole{about}: {_named(damaged)}")
    if examples := summary.get("examples"):
        parts.append(f"the first fault is {examples[0]}")
    return "; ".join(parts) or None


def _named(damaged: Mapping[str, str]) -> str:
    named = "; ".join(f"{file}: {why}" for file, why in list(damaged.items())[:_NAMED])
    return named + (f"; and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else "")


def _pair(values: Collection[int] | None) -> tuple[int, int]:
    first, second = values or (0, 0)
    return first, second


def _not_whole(damaged: Mapping[str, str]) -> str:
    return (
        f"Held-out files must be whole, since every score is measured on them, got {len(damaged)} not whole "
        f"({_named(damaged)}). Mend them, or measure on what is left of them with data.holdout.allow_damaged: "
        f"[{', '.join(damaged)}]."
    )
