"""A folder in which what lies at URLs is worked on: files are fetched into it, and sent from it when they are ready.

    <root>/s3/bucket/runs/mine/config.json    is    s3://bucket/runs/mine/config.json

So all code that knows folders goes on knowing folders. What was fetched or sent is noted in an index, with a stamp of
the file here and the tag of the object there, so that each side tells what has changed:

- `bring` makes here what is there. A file that only this side has changed is left as it is.
- `send` makes there what is here, an object after the other and each of them whole: arrays first, then what names
  them, then what says that a trial is done, so that whoever is killed in between leaves what another can go on with.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.objects import ObjectStat, ObjectStore
from gapsack.sweep.storage.remote import is_url

_THREADS = 16
_INDEX = ".index.sqlite"

OWN = ("lock", "lock.lease", "stop", "ray.log", "study.journal.lock")
"""Names in a run that are this machine's, or that are written there as what they are."""
_OWN_FOLDERS = ("tune",)

_COMMITS = ("state.npz", "record.json", "stopped.json")
"""What says that other files are there, in the order in which it is sent: after all others."""

Wanted = Callable[[str], bool]


@dataclass(frozen=True)
class _Known:
    """A row of the index: the object when it was last listed, and the file here that was the same (None: not here)."""

    stat: ObjectStat
    stamp: str | None


class Mirror:
    """The folder `root`, whose files lie at URLs.

    Args:
        root: Made where it is missing; nothing else may lie in it.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root = root.resolve()  # who resolves a path of it must not be led out of it
        self._lock = threading.RLock()
        self._index = sqlite3.connect(root / _INDEX, timeout=60.0, isolation_level=None, check_same_thread=False)
        self._index.execute(
            "CREATE TABLE IF NOT EXISTS objects (url TEXT PRIMARY KEY, tag TEXT, size INTEGER, stamp TEXT)"
        )

    def close(self) -> None:
        """Let go of the index."""
        self._index.close()

    def path(self, url: str) -> Path:
        """Where what lies at a URL is worked on."""
        if not is_url(url):
            raise InputError(f"expected a URL such as s3://bucket/runs, got {url}")
        scheme, _, rest = url.partition("://")
        parts = rest.strip("/").split("/")
        if not all(parts) or any(part in (".", "..") for part in parts):
            raise InputError(f"expected a URL with a bucket and plain names, such as s3://bucket/runs, got {url}")
        return self.root.joinpath(scheme, *parts)

    def url(self, path: Path) -> str:
        """The URL of what lies, or would lie, in a path of this folder."""
        return url_below(self.root, path)

    def bring(self, path: Path, wanted: Wanted = lambda _name: True) -> None:
        """Make here what is there at the path, and below it.

        Args:
            path: Of a file or a folder.
            wanted: Says of a name below it ("" is the path itself) whether the file is needed here. Of others it is
                noted that they are there (`size_elsewhere`).
        """
        url = self.url(path)
        store = ObjectStore(url)
        try:
            listed = store.listed()
        except FileNotFoundError as error:
            raise InputError(f"expected a bucket that is there for {url}, got none: {error.strerror}") from error
        own = None if listed else store.stat("")
        found = {"": own} if own is not None else {name: stat for name, stat in listed.items() if not _is_own(name)}
        known = self._known(url)
        missing = []
        for name, stat in found.items():
            full, here = f"{url}/{name}" if name else url, path / name
            before = known.get(full)
            stamp = None if before is None else before.stamp
            same = before is not None and before.stat.tag == stat.tag and (here.exists() or stamp is None)
            if wanted(name) and not (same and stamp is not None):
                missing.append((full, here, stat))
            elif not same:
                if stamp is not None and _stamp(here) == stamp:
                    here.unlink()
                self._note(full, _Known(stat, None))
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(lambda each: self._fetch(*each), missing))
        for full in known.keys() - {f"{url}/{name}" if name else url for name in found}:
            self._gone(full, known[full])

    def bytes_below(self, path: Path) -> int:
        """Bytes of all that was known to lie below the path when it was last looked at."""
        return sum(known.stat.size_bytes for known in self._known(self.url(path)).values())

    def size_elsewhere(self, path: Path) -> int | None:
        """Bytes of a file that is not here, but there when it was last looked at."""
        known = self._known_at(self.url(path))
        return None if known is None else known.stat.size_bytes

    def send(self, path: Path) -> None:
        """Make there what is here at the path, and below it: what was written or deleted since it was the same."""
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        here = {self.url(file): file for file in files if not _is_own(file.relative_to(self.root).as_posix())}
        known = self._known(self.url(path))
        changed = [
            file for url, file in here.items() if (before := known.get(url)) is None or before.stamp != _stamp(file)
        ]
        gone = [url for url, before in known.items() if before.stamp is not None and url not in here]
        arrays = [file for file in changed if _place(file) == 0]
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(self._send, arrays))
        # Weights that are too old to be averaged go before the state that is newer than they: a trial that goes on
        # from either state then finds the weights that it would have if nobody had ended it.
        outdated = [url for url in gone if _is_outdated(url, here)]
        for url in outdated:
            self._delete(url)
        for file in sorted(set(changed) - set(arrays), key=lambda file: (_place(file), str(file))):
            self._send(file)
        for url in sorted(set(gone) - set(outdated)):
            self._delete(url)

    def forget(self, path: Path) -> None:
        """Delete there what was known to lie at the path and below it, whether it is here or not."""
        for url in self._known(self.url(path)):
            self._delete(url)

    def _fetch(self, url: str, path: Path, stat: ObjectStat) -> None:
        folder, _, name = url.rpartition("/")
        try:
            ObjectStore(folder).fetch(name, path)
        except FileNotFoundError:  # deleted since it was listed
            return
        self._note(url, _Known(stat, _stamp(path)))

    def _send(self, file: Path) -> None:
        url = self.url(file)
        folder, _, name = url.rpartition("/")
        store, stamp = ObjectStore(folder), _stamp(file)
        if stamp is None:  # deleted since it was seen
            return
        store.send(name, file)
        stat = store.stat(name)
        if stat is not None:
            self._note(url, _Known(stat, stamp))

    def _delete(self, url: str) -> None:
        folder, _, name = url.rpartition("/")
        ObjectStore(folder).delete(name)
        with self._lock:
            self._index.execute("DELETE FROM objects WHERE url = ?", (url,))

    def _gone(self, url: str, known: _Known) -> None:
        """An object is there no more: neither is the file here, unless it was written anew."""
        file = self.path(url)
        if known.stamp is not None and _stamp(file) == known.stamp:
            file.unlink()
        with self._lock:
            self._index.execute("DELETE FROM objects WHERE url = ?", (url,))

    def _note(self, url: str, known: _Known) -> None:
        row = (url, known.stat.tag, known.stat.size_bytes, known.stamp)
        with self._lock:
            self._index.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", row)

    def _known(self, url: str) -> Mapping[str, _Known]:
        with self._lock:
            rows = self._index.execute("SELECT * FROM objects WHERE url = ? OR substr(url, 1, ?) = ?", _below(url))
            return {url: _Known(ObjectStat(tag, size), stamp) for url, tag, size, stamp in rows.fetchall()}

    def _known_at(self, url: str) -> _Known | None:
        with self._lock:
            row = self._index.execute("SELECT * FROM objects WHERE url = ?", (url,)).fetchone()
        return None if row is None else _Known(ObjectStat(row[1], row[2]), row[3])


def url_below(root: Path, path: Path) -> str:
    """The URL that a path is for in the mirror at `root`."""
    scheme, *parts = path.relative_to(root).parts
    return f"{scheme}://{'/'.join(parts)}"


@contextmanager
def mirror_at(root: Path) -> Iterator[Mirror]:
    """A mirror for the time of the block."""
    mirror = Mirror(root)
    try:
        yield mirror
    finally:
        mirror.close()


def _below(url: str) -> tuple[str, int, str]:
    return url, len(url) + 1, f"{url}/"


def _is_own(name: str) -> bool:
    """Whether a file is neither fetched nor sent: this machine's own, or one that is being written."""
    *folders, last = name.split("/")
    return last in OWN or last.startswith(".") or any(part in _OWN_FOLDERS or part.startswith(".") for part in folders)


def _place(file: Path) -> int:
    """When a file is sent: arrays and other data, what tells of them, what others count on."""
    if file.name in _COMMITS:
        return 2 + _COMMITS.index(file.name)
    return 1 if file.suffix == ".json" else 0


def _is_outdated(url: str, here: Mapping[str, Path]) -> bool:
    """Whether an object is a checkpoint's weights, of a folder that goes on having a state."""
    folder, _, name = url.rpartition("/")
    return name.startswith("weights-") and f"{folder}/state.npz" in here


def _stamp(file: Path) -> str | None:
    """What another content of the file would not have."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"
