"""A lock where no system lets go of one: a file that is created if absent, and that its holder renews.

The holder writes the time into it every few seconds. One whose time is long past is abandoned: whoever wants the lock
watches for a while that nobody renews it, since clocks differ between machines, and takes it. A holder that finds
another's name in the file, having slept too long, is told so and lets it be.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.stores import Store


@dataclass(frozen=True)
class LeaseTimes:
    """Seconds.

    Attributes:
        beat: Between two renewals.
        stale: After so long without one, by its own time, a lease may be abandoned.
        watch: How long it is then watched.
    """

    beat: float = 10.0
    stale: float = 60.0
    watch: float = 25.0


TIMES = LeaseTimes()


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: what its file has, as JSON; `renewed` is UNIX time, by the holder's clock."""

    token: str
    host: str
    pid: int
    renewed: float

    def is_gone(self) -> bool:
        """Whether it was a process of this machine that lives no more."""
        if self.host != os.uname().nodename:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # another user's
            return False
        return False


_HOLDER = TypeAdapter(Holder)


def is_leased(store: Store, name: str, times: LeaseTimes = TIMES) -> bool:
    """Whether somebody holds the lease now, as far as the time in it tells."""
    content = store.read(name)
    return content is not None and not _seems_abandoned(content, times)


@contextmanager
def leased(store: Store, name: str, lost: Callable[[], None], times: LeaseTimes = TIMES) -> Iterator[None]:
    """Hold the lease alone.

    Args:
        store: Where its file lies.
        name: Of the file.
        lost: Called, in a thread, when another one has taken the lease meanwhile.
        times: Of renewals.

    Raises:
        InputError: another one holds it, and where.
    """
    lease = _Lease(store, name, secrets.token_hex(16), times)
    lease.take()
    ended = threading.Event()
    keeper = threading.Thread(target=lease.keep, args=(ended, lost), name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        lease.give_back()


@dataclass(frozen=True)
class _Lease:
    store: Store
    name: str
    token: str
    times: LeaseTimes

    def take(self) -> None:
        if self._create():
            return
        found = self.store.read(self.name)
        if found is not None and not _seems_abandoned(found, self.times):
            raise _held(self.store, found)
        holder = None if found is None else _holder(found)
        if found is not None and (holder is None or not holder.is_gone()):
            time.sleep(self.times.watch)
        if (now := self.store.read(self.name)) != found:
            raise _held(self.store, now)
        self.store.delete(self.name)
        if not self._create():
            raise _held(self.store, self.store.read(self.name))

    def keep(self, ended: threading.Event, lost: Callable[[], None]) -> None:
        """Renew the lease until it is given back. A place that does not answer is asked again at the next beat."""
        while not ended.wait(self.times.beat):
            try:
                if not self._is_ours():
                    lost()
                    return
                self.store.write(self.name, self._content())
            # Away, or with credentials that have run out: as long as none is there to take it.
            except (OSError, InputError):
                continue

    def give_back(self) -> None:
        if self._is_ours():
            self.store.delete(self.name)

    def _create(self) -> bool:
        return self.store.create(self.name, self._content())

    def _content(self) -> bytes:
        return json.dumps(asdict(Holder(self.token, os.uname().nodename, os.getpid(), time.time()))).encode()

    def _is_ours(self) -> bool:
        content = self.store.read(self.name)
        holder = None if content is None else _holder(content)
        return holder is not None and holder.token == self.token


def _holder(content: bytes) -> Holder | None:
    """Who wrote a lease; None for one that is damaged, or that is being written."""
    try:
        return _HOLDER.validate_json(content)
    except ValidationError:
        return None


def _seems_abandoned(content: bytes, times: LeaseTimes) -> bool:
    holder = _holder(content)
    return holder is None or holder.is_gone() or time.time() - holder.renewed > times.stale


def _held(store: Store, content: bytes | None) -> InputError:
    holder = None if content is None else _holder(content)
    where = "" if holder is None else f" (process {holder.pid} on {holder.host})"
    return InputError(f"expected a run that nobody drives, but another process is running {store.address}{where}")
