"""Which folders of this process are mirrors of URLs. Of all others nothing here does anything, nor looks at the disk.

Whoever reads or writes a run goes on doing so in folders, and says here what it needs, and what is ready.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.addresses import SCHEMES, drop_root, note_root, telling_urls
from gapsack.sweep.storage.mirror import Mirror, mirror_at
from gapsack.sweep.storage.objects import ObjectStore
from gapsack.sweep.storage.remote import is_url
from gapsack.sweep.storage.stores import FolderStore, Store

CACHE_VARIABLE = "XDG_CACHE_HOME"

_BOOKS = (".json", ".csv", ".yaml", ".txt", ".journal")
"""What a run's small files end in: all that its trials are known by, without their arrays."""
_GRAPHS = ("graph", "metagraph", "litert")

_OTHER_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/([^/].*)", re.DOTALL)
"""What becomes of a URL that goes through a path."""

_mirrors: list[Mirror] = []
_readers: list[Mirror | None] = []
"""That of the block of `reading`, once it is needed."""
_brought: set[Path] = set()
"""What was made to be here within the block of `reading`."""


def cache_folder() -> Path:
    """Where mirrors lie that outlive a command: it may be deleted whenever nothing runs."""
    given = os.environ.get(CACHE_VARIABLE)
    return ((Path(given) if given else Path.home() / ".cache") / "gapsack" / "storage").resolve()


@contextmanager
def mirrored(root: Path) -> Iterator[Mirror]:
    """For the time of the block, files below `root` are those at URLs."""
    with mirror_at(root) as mirror:
        _mirrors.append(mirror)
        note_root(mirror.root)
        try:
            yield mirror
        finally:
            _mirrors.remove(mirror)
            if not any(each.root == mirror.root for each in _mirrors):
                drop_root(mirror.root)


@contextmanager
def reading() -> Iterator[None]:
    """For the time of the block URLs may be given to `place_of`; what was written meanwhile is sent at its end."""
    if _readers:
        yield
        return
    _readers.append(None)
    try:
        with telling_urls():
            yield
    finally:
        try:
            for path in sorted(_brought):
                send(path)
        finally:
            _brought.clear()
            mirror = _readers.pop()
            if mirror is not None:
                _mirrors.remove(mirror)
                mirror.close()


def driven(url: str) -> Path:
    """The folder that mirrors a run for its driver, until this process ends; readers have one of their own."""
    return _kept("drive").path(url)


def shared_place(given: Path | str) -> Path:
    """Where what is only read, and by many, is to be found: a path as it is, a URL as a folder or file of the cache.

    That is one for all processes of this machine, until this process ends: whoever reads there says by itself whether
    it is what it should be, by digests.
    """
    url = url_in(given)
    return Path(given) if url is None else _kept("shared").path(url)


def _kept(name: str) -> Mirror:
    """A mirror in the cache, until this process ends."""
    root = cache_folder() / name
    mirror = next((each for each in _mirrors if each.root == root), None)
    if mirror is None:
        mirror = _opened(root)
    return mirror


def _opened(root: Path) -> Mirror:
    mirror = Mirror(root)
    _mirrors.append(mirror)
    note_root(mirror.root)
    return mirror


def root_of(folder: Path, url: str) -> Path:
    """The root of the mirror in which a URL lies in a folder."""
    return folder.parents[len(url.replace("://", "/").strip("/").split("/")) - 1]


def place_of(given: Path | str) -> Path:
    """Where what a person names is to be worked on: a path as it is, a URL as a folder that mirrors it.

    Within `reading` alone. A path that was a URL, whose slashes are one by then, is taken for what it was, and the
    driver's own folder of a run for the run's URL.
    """
    url = url_in(given) or _driven_url(Path(given))
    if url is None:
        _refuse_unknown(given)
        return Path(given)
    if not _readers:
        raise InputError(f"expected a path here, got the URL {url}")
    mirror = _readers[-1]
    if mirror is None:
        mirror = _readers[-1] = _opened(cache_folder() / "read")
    return mirror.path(url)


def _refuse_unknown(given: Path | str) -> None:
    """Raise InputError where a URL was meant of which nobody knows how places there are listed and written."""
    found = _OTHER_URL.match(os.fspath(given))
    if found is not None and not Path(given).exists():
        raise InputError(f"expected a path, s3://… or gs://…, got {found[1]}://{found[2]}")


def _driven_url(path: Path) -> str | None:
    mirror = _mirror_of(path)
    return None if mirror is None or mirror.root != cache_folder() / "drive" else mirror.url(path.absolute())


def url_in(given: Path | str) -> str | None:
    """The URL that a person gave, also where it has gone through a path; None for what is a path."""
    text = os.fspath(given)
    if is_url(text):
        return text
    scheme, colon, rest = text.partition(":/")
    return f"{scheme}://{rest}" if colon and scheme in SCHEMES else None


def way_to(path: Path, folder: Path) -> str:
    """By what a file in `folder` names another place: the way there; the whole URL, or path, where that lies elsewhere.

    A way from a bucket to this machine, or from here into a folder of the cache, would lead nowhere.
    """
    here, there = _mirror_of(folder), _mirror_of(path)
    if here is there:
        return os.path.relpath(path, folder)
    return str(path.absolute()) if there is None else there.url(path.absolute())


def at_way(folder: Path, way: str) -> Path:
    """The place that a file in `folder` names so."""
    return folder / way if url_in(way) is None else place_of(way)


def store_at(folder: Path) -> Store:
    """Where files of a folder are created if absent: there where all see it."""
    mirror = _mirror_of(folder)
    return FolderStore(folder) if mirror is None else ObjectStore(mirror.url(folder))


def is_mirrored(path: Path) -> bool:
    """Whether a path is one of a mirror."""
    return _mirror_of(path) is not None


def bring_books(folder: Path, *, anew: bool = False) -> None:
    """Make a run's small files be here, or those of all runs of a storage; `anew` even if they were brought before."""
    mirror = _mirror_of(folder)
    if mirror is None or (not anew and any(folder.is_relative_to(each) for each in _brought)):
        return
    mirror.bring(folder, is_book)
    _note(folder)


def bring(path: Path, wanted: Callable[[str], bool] = lambda _name: True) -> None:
    """Make all be here that lies at a path and below it, or what is wanted of it."""
    mirror = _mirror_of(path)
    if mirror is not None:
        mirror.bring(path, wanted)
        _note(path)


def fetched(path: Path) -> Path:
    """The same path, of a file or a folder that is here if it is anywhere."""
    if is_mirrored(path):
        bring(Path(os.path.normpath(path.absolute())))
    return path


def fetched_from(given: Path | str) -> Path:
    """As `place_of`, of a file or a folder that is to be read, and is here then."""
    return fetched(place_of(given))


def to_write(given: Path | str) -> Path:
    """As `place_of`, of what is to be written: with what is there now, so that what is not written anew goes there."""
    place = place_of(given)
    bring(place)
    return place


def bytes_below(folder: Path) -> int:
    """Of all files that were known to lie below a folder of a mirror when it was last looked at."""
    mirror = _mirror_of(folder)
    return 0 if mirror is None else mirror.bytes_below(folder)


def size_at(url: str) -> int:
    """Bytes of an object, or of all objects below a URL."""
    return sum(stat.size_bytes for stat in ObjectStore(url).listed().values()) or _size_of(url)


def _size_of(url: str) -> int:
    folder, _, name = url.rstrip("/").rpartition("/")
    stat = ObjectStore(folder).stat(name)
    return 0 if stat is None else stat.size_bytes


def bytes_elsewhere(path: Path) -> int | None:
    """Size of a file that is not here but where its folder is a mirror of; None where it is nowhere."""
    mirror = _mirror_of(path)
    return None if mirror is None else mirror.size_elsewhere(path)


def send(path: Path) -> None:
    """Make what was written or deleted here, at a path and below it, be so there."""
    mirror = _mirror_of(path)
    if mirror is not None:
        mirror.send(path)


def forget(path: Path) -> None:
    """Delete there what lies at a path and below it, though it may not be here."""
    mirror = _mirror_of(path)
    if mirror is not None:
        mirror.forget(path)


def is_there(path: Path) -> bool:
    """Whether a file is in a mirror, or there now; a look that fails tells nothing and is not made again."""
    if path.exists():
        return True
    mirror = _mirror_of(path)
    if mirror is None:
        return False
    try:
        return ObjectStore(mirror.url(path.parent), patience=0).stat(path.name) is not None
    except (OSError, InputError):
        return False


def _note(path: Path) -> None:
    if _readers and _mirror_of(path) is _readers[-1]:
        _brought.add(path)


def _mirror_of(path: Path) -> Mirror | None:
    if not _mirrors:
        return None
    path = path.absolute()
    return next((each for each in _mirrors if path.is_relative_to(each.root) and path != each.root), None)


def is_book(name: str) -> bool:
    """Whether a file of a run, by its name from there, is one of those that all else is known by."""
    path = PurePosixPath(name)
    if name and any(part == "checkpoints" or part in _GRAPHS for part in path.parts[:-1]):
        return False
    return not name or path.suffix in _BOOKS or path.name == "witness"
