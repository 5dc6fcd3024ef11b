"""The one way in which a file or a folder appears: whole, or not at all.

It is written under a temporary name in the same folder, synced to the disk and moved to its name; then the folder is
synced, so that the name too outlives a power cut. A reader, or the next start after a crash, finds what was there
before or what is there now, never a part.
"""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import secrets
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from gapsack.selection.errors import InputError
from gapsack.selection.outputs import is_streamed, stream_to, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike
    from typing import BinaryIO

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]+\.part")
_UNSYNCABLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
"""What systems answer that cannot sync a folder, as some network file systems, or for one that we may not list."""


@contextmanager
def whole_file(path: str | PathLike[str], *, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when the block ends well; its folder is made where it is missing.

    Links lead to the file that is written, and stay. A pipe, terminal or device is written to as it comes.

    The file has the permissions of any new one (0644 under the usual umask). When the block or the disk fails, nothing
    is left of it; what a killed process leaves goes when the file is written again, or by `remove_temporary_files`.

    Args:
        path: of the file.
        lasting: whether it must outlive a power cut. Otherwise nothing is synced: every reader still finds it whole,
            but a power cut may leave none or an empty one, unless `sync_files` has made it last.
    """
    if is_streamed(path):
        with stream_to(path) as stream:
            yield stream
        return
    target = target_of(path)
    if target.is_dir():
        raise InputError(f"expected a file to write to, got the folder {path}")
    make_folder(target.parent)
    _remove_abandoned(target)
    file = _new_part(target)
    part = Path(file.name)
    try:
        with file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if lasting:
        sync_folder(target.parent)


@contextmanager
def whole_text_file(path: str | PathLike[str], *, lasting: bool = True) -> Iterator[TextIO]:
    """As `whole_file`, for text: UTF-8, with line ends as they are written."""
    with whole_file(path, lasting=lasting) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()  # writes what it holds, and leaves the file open


def replace_text(path: str | PathLike[str], text: str, *, lasting: bool = True) -> None:
    """Write a text file, whole or not at all; see `whole_file`."""
    with whole_text_file(path, lasting=lasting) as file:
        file.write(text)


def replace_json(path: str | PathLike[str], value: Any, *, lasting: bool = True) -> None:
    """Write a value as indented JSON, whole or not at all; see `whole_file`. A ValueError for NaN and infinity."""
    replace_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", lasting=lasting)


def read_json(path: str | PathLike[str], *, error: type[InputError] = InputError) -> Any:
    """The value that a JSON file holds.

    Args:
        path: of the file.
        error: what to raise.

    Raises:
        InputError: there is no such file, it cannot be read, or it is no JSON.
    """
    try:
        return load_json(path)
    except FileNotFoundError as missing:
        raise error(f"{path}: expected this JSON file; it is not there.") from missing
    except OSError as unreadable:
        raise error(f"{path}: expected a JSON file that can be read; got {unreadable.strerror}.") from unreadable
    except ValueError as broken:
        raise error(f"{path}: expected JSON; got {broken}.") from broken


def load_json(path: str | PathLike[str]) -> Any:
    """As `read_json`, for who tells in words of their own what was expected; a mark of the byte order is passed over.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON in UTF-8, an object has a key twice, or lists lie in lists beyond all measure.
    """
    text = Path(path).read_bytes().decode("utf-8-sig")
    try:
        return json.loads(text, object_pairs_hook=_each_key_once)
    except RecursionError as deep:
        raise ValueError("values nested too deep to be read") from deep


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} twice in one object")
    return found


def move_whole(source: Path, target: Path) -> None:
    """Move a finished file of the same file system to its name, so that it is there whole, for good, or not at all."""
    _sync(source, os.O_RDONLY)
    source.replace(target)
    sync_folder(target.parent)


@contextmanager
def whole_folder(path: str | PathLike[str], marker: str) -> Iterator[Path]:
    """A new folder to fill, which gets its name when the block ends well; one of the same kind there is replaced.

    Where the path is a link, the folder that it leads to is replaced.

    An earlier one is not changed before that. It steps aside first: a process that is killed between these two moves
    leaves none under the name, and the next one puts the earlier one back. What a killed process was writing is removed
    by the next one for the same folder.

    Args:
        path: of the folder; folders above it are made where they are missing.
        marker: name of a file that folders of this kind have. No other folder is replaced, unless it is empty.

    Raises:
        InputError: something else is there.
    """
    directory = target_of(path)
    part, earlier = (directory.with_name(f".{directory.name}.{suffix}") for suffix in ("part", "earlier"))
    if earlier.exists() and not directory.exists():
        earlier.replace(directory)
    if directory.exists() and not ((directory / marker).is_file() or _is_empty_folder(directory)):
        raise InputError(f"expected a new folder, or one of an earlier build, to write to, got {directory}")
    make_folder(directory.parent)
    _remove(part)
    part.mkdir()
    try:
        yield part
        _sync_tree(part)
        _move_folder(part, directory, earlier)
        sync_folder(directory.parent)
    finally:
        _remove(part)
        if directory.exists():
            _remove(earlier)


def sync_files(*paths: Path) -> None:
    """Bring the content of files, those that are there, to the disk; their names are the folder's (`sync_folder`)."""
    for path in paths:
        with suppress(FileNotFoundError):
            _sync(path, os.O_RDONLY)


def remove_temporary_files(folder: Path) -> None:
    """Remove what killed processes left of files that they were writing into a folder.

    What a living process has locked stays. Where the file system has no locks nobody else may be writing. Other hidden
    files stay too, such as the ``.nfs…`` of files that are deleted but still open.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if _TEMPORARY.fullmatch(path.name) and not path.is_dir() and not _is_written(path):
            path.unlink(missing_ok=True)


def _is_written(part: Path) -> bool:
    """Whether a living process is known to write a temporary file."""
    try:
        with part.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here, or the file is gone
        return False
    return False


def remove(path: Path) -> None:
    """Delete a file, or a folder that stands in its place, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing; they outlive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    try:
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise


def _new_part(target: Path) -> BinaryIO:
    """A new temporary file for `target`. It is locked while it is open, which says that somebody still writes it."""
    while True:
        file = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part").open("xb")
        with suppress(OSError):  # a file system without locks, where nothing is taken for abandoned either
            fcntl.flock(file, fcntl.LOCK_EX)
        if Path(file.name).exists():
            return file
        file.close()  # taken for abandoned before it was locked


def _remove_abandoned(target: Path) -> None:
    """Remove what killed processes left of `target`, and nothing that a living one is writing."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]+\.part")
    try:
        found = [path for path in target.parent.iterdir() if pattern.fullmatch(path.name)]
    except OSError:  # one may write to the folder but not list it
        return
    for path in found:
        with suppress(OSError), path.open("rb+") as file:  # locked, no file, or gone meanwhile
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _move_folder(part: Path, directory: Path, earlier: Path) -> None:
    _remove(earlier)
    try:
        if directory.exists():
            directory.replace(earlier)
        part.replace(directory)
    except BaseException:
        if earlier.exists() and not directory.exists():
            earlier.replace(directory)
        raise


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            _sync(path, os.O_RDONLY)
    sync_folder(folder)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _remove(folder: Path) -> None:
    """Remove a folder, or what an earlier version left in its place: a link, never what that leads to."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
