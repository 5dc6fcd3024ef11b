"""The trials' runs in a store: which there are, under which ids, and what the store has of those that are told of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gapsack.sweep.runs.folder import RunFolder
from gapsack.sweep.tracking.place import TrackingRecord
from gapsack.sweep.tracking.store import KIND_TAG, ChildRun, RunContent, TrackerStore

KEPT_GROWTH = 8
"""Ids of trials' runs are kept again once an eighth more trials have one."""


class TrialRuns:
    """The runs below a sweep's own that are its trials.

    A store's answer may be lost: a run, or what is written to it, may be there although nobody said so. So what the
    store has is asked for before anything is sent again, and only of a run that was made here, with every answer heard,
    is it known without asking.

    Args:
        store: the experiment.
        run: the run folder, in which the ids are kept.
        kept: the ids; the sweep's own run is among them before a trial is told of.
        folder: the working folder, from which the kept file tells where the store is.
    """

    def __init__(self, store: TrackerStore, run: RunFolder, kept: TrackingRecord, folder: Path) -> None:
        self._store = store
        self._run = run
        self._kept = kept
        self._folder = folder
        self._has: dict[str, RunContent] = {}
        self._attempted: set[str] = set()
        """Trials whose run may have been made, whether or not the store said so."""
        self._new: set[str] = set()
        """Trials whose run was made here, and of which the store has just what `_has` says."""
        self._keep_at = 0
        """Number of trials with a run from which on the ids are kept again."""

    @property
    def parent(self) -> str:
        """The sweep's own run."""
        assert self._kept.parent is not None, "the sweep's own run comes first"
        return self._kept.parent

    def there(self) -> list[ChildRun]:
        """Those that the store has, as it tells them; their ids are known from then on. (Ensembles are no trials.)"""
        children = [child for child in self._store.children(self.parent) if child.tags.get(KIND_TAG) == "trial"]
        self._kept.trials.update({child.name: child.run_id for child in children})
        return children

    def of(self, name: str, started_milliseconds: int | None = None) -> tuple[str, RunContent]:
        """A trial's run, made where the store has none, and what the store has of it; the caller adds what it sends."""
        run_id = self._kept.trials.get(name)
        if run_id is not None and name not in self._has and (known := self._store.content(run_id)) is not None:
            self._has[name] = known
        if run_id is None or name not in self._has:
            run_id = self._made(name, started_milliseconds)
        return run_id, self._has[name]

    def id_of(self, name: str) -> str:
        """The id of a trial's run that is there."""
        return self._kept.trials[name]

    def is_told_of(self, name: str) -> bool:
        """Whether it is known what the store has of a trial."""
        return name in self._has

    def is_new(self, name: str) -> bool:
        """Whether a trial's run was made here, and the store has surely nothing that was not told here."""
        return name in self._new

    def are_among(self, names: Iterable[str]) -> bool:
        """Whether there is no run of any other trial."""
        return {*self._kept.trials, *self._attempted} <= set(names)

    def _made(self, name: str, started_milliseconds: int | None) -> str:
        # An earlier attempt may have made it without our hearing so.
        self._new.discard(name)
        children = self.there() if name in self._attempted else []
        run_id = next((child.run_id for child in children if child.name == name), None)
        if run_id is None:
            self._attempted.add(name)
            tags = {"gapsack.run": self._run.name, KIND_TAG: "trial"}
            run_id = self._store.create_run(name, tags, parent=self.parent, milliseconds=started_milliseconds)
            self._new.add(name)
        self._has[name] = (self._store.content(run_id) if children else None) or RunContent("RUNNING")
        self._kept.trials[name] = run_id
        # All are written again each time: with a few more at a time, what is written grows as the trials do. A driver
        # that is killed in between asks the store, as every driver does that goes on.
        if len(self._kept.trials) >= self._keep_at:
            self.keep_ids()
        return run_id

    @contextmanager
    def asked_again(self, name: str) -> Iterator[None]:
        """Where a write about a trial fails within the block, it may have arrived: the next attempt asks."""
        try:
            yield
        except Exception:
            self.forget(name)
            raise

    def forget(self, name: str) -> None:
        """Whoever tells of the trial again asks the store what it has."""
        self._has.pop(name, None)
        self._new.discard(name)

    def keep_ids(self) -> None:
        """Write the ids down with the run."""
        self._kept.write(self._run, self._folder)
        self._keep_at = len(self._kept.trials) + 1 + len(self._kept.trials) // KEPT_GROWTH
