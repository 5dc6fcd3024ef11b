"""Checksums of a run's data files, so that another person knows that they have the same ones.

The driver takes them once, when a sweep starts, and again when it goes on: files that changed in between would make the
trials incomparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath

import google_crc32c
import numpy as np

from gapsack.selection.errors import DamagedFileError, InputError
from gapsack.selection.files import replace_text
from gapsack.selection.typed import damaged
from gapsack.sweep.data.storage import files as storage
from gapsack.sweep.errors import DataError

CONTENTS_BYTES = 8 * 2**30
"""Up to so many bytes in all, contents are checked whole: some seconds to a minute. Beyond, only the ends of files."""
END_BYTES = 2**20
"""Of the beginning and of the end of a file: hundreds of records, each with a checksum of its own inside."""

CONTENTS, ENDS = "contents", "first and last MiB"
NAMED = 5
"""Files in a sentence."""
_BLOCK_BYTES = 4 * 2**20
_THREADS = 16
_HEADER = "# CRC-32C of {of}, bytes, file"


@dataclass(frozen=True)
class Checksum:
    """A file's name without its folder, its size, and the CRC-32C of its contents or of its two ends."""

    name: str
    size_bytes: int
    crc32c: int

    @property
    def line(self) -> str:
        """As it stands in a run's checksums.txt."""
        return f"{self.crc32c:08x} {self.size_bytes} {self.name}"


@dataclass(frozen=True)
class Checksums:
    """Checksums of files, in their order.

    Attributes:
        of: `CONTENTS` or `ENDS`.
        files: one a file.
    """

    of: str
    files: tuple[Checksum, ...]

    @property
    def text(self) -> str:
        """The lines of checksums.txt."""
        return "\n".join([_HEADER.format(of=self.of), *(each.line for each in self.files)]) + "\n"

    def combined(self, names: Iterable[str]) -> str | None:
        """CRC-32C, in hexadecimal, of the sorted lines of the files of these names; None if one is missing."""
        wanted = {PurePath(name).name for name in names}
        if not wanted <= {each.name for each in self.files}:
            return None
        lines = sorted(f"{each.line}\n" for each in self.files if each.name in wanted)
        return f"{google_crc32c.value(''.join(lines).encode()):08x}"

    def still_has(self, path: str) -> bool:
        """Whether the file at `path` is one of these, by its name and what is in it; `DataError` when it is not there.

        Where only the ends of files were looked at, so they are here.
        """
        return take_one(path, self.of) in self.files


def take_one(path: str, of: str) -> Checksum:
    """The checksum of one file: of its `CONTENTS` or of its `ENDS`."""
    [size] = storage.sizes_bytes([path])
    return Checksum(PurePath(path).name, size, (_crc_of_contents if of == CONTENTS else _crc_of_ends)(path))


def refuse_leaks(train: Sequence[str], holdout: Sequence[str], checksums: Checksums) -> None:
    """Raise `DataError` where a training file has the content of a held-out one, whatever either is called.

    `checksums` are those of the training files and then of the held-out ones, in this order. Empty files have none.
    """
    measured = {
        (each.size_bytes, each.crc32c): path
        for path, each in zip(holdout, checksums.files[len(train) :], strict=True)
        if each.size_bytes
    }
    pairs = zip(train, checksums.files, strict=False)
    leaks = [(path, measured.get((each.size_bytes, each.crc32c))) for path, each in pairs]
    # Of a file that is there twice some items train and others are held out (`sweep.data.parts`).
    found = [f"{path} is {held_out}" for path, held_out in leaks if held_out not in (None, path)]
    if found:
        raise DataError(
            "A file that is held out must not train, whatever its name, but of the training files "
            f"{len(found)} have the same bytes as one: {', '.join(found[:NAMED])}{', …' if len(found) > NAMED else ''}."
        )


def take(paths: Sequence[str], contents_bytes: int = CONTENTS_BYTES) -> Checksums:
    """Checksums of data files; `DataError` when one cannot be read."""
    sizes = storage.sizes_bytes(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        of = CONTENTS if sum(sizes) <= contents_bytes else ENDS
        crcs = pool.map(_crc_of_contents if of == CONTENTS else _crc_of_ends, paths)
        found = zip(paths, sizes, crcs, strict=True)
        return Checksums(of, tuple(Checksum(PurePath(path).name, size, crc) for path, size, crc in found))


def read(path: Path) -> Checksums | None:
    """What `keep` wrote; None if there is nothing.

    Raises:
        DamagedFileError: there is something else.
    """
    if not path.exists():
        return None
    try:
        header, *lines, end = path.read_bytes().decode("utf-8-sig").split("\n")
        kind = next((kind for kind in (CONTENTS, ENDS) if header == _HEADER.format(of=kind)), None)
        parts = [line.split(" ", 2) for line in lines]
        files = tuple(Checksum(name, int(size), int(crc, 16)) for crc, size, name in parts)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if kind is None or end:
        raise _damaged(path, "another first line" if kind is None else "a last line without its end")
    return Checksums(kind, files)


def _damaged(path: Path, got: str) -> DamagedFileError:
    advice = "delete it, and the next sweep run takes them of the files as they are then"
    return damaged(path, f"something else ({got})", what="checksums of data files", advice=advice)


def keep(path: Path, checksums: Checksums) -> None:
    """Write checksums, or hold them against those of an earlier start.

    Raises:
        InputError: a file that was there before has changed; it is named.
    """
    before = read(path)
    if before is not None and before.of == checksums.of:
        names, known = {each.name for each in before.files}, set(before.files)  # two files may have one name
        changed = [each for each in checksums.files if each.name in names and each not in known]
        if changed:
            raise InputError(
                f"expected the data files that the run was started with, got {len(changed)} that changed since, such "
                f"as {changed[0].name}, now {changed[0].size_bytes} bytes with CRC-32C {changed[0].crc32c:08x} ({path} "
                "has those from before)"
            )
    replace_text(path, checksums.text)


def _crc_of_contents(path: str) -> int:
    with storage.opened(path) as file:
        return _crc(file, [(0, file.size_bytes)])


def _crc_of_ends(path: str) -> int:
    with storage.opened(path) as file:
        return _crc(file, [(0, END_BYTES), (max(0, file.size_bytes - END_BYTES), file.size_bytes)])


def _crc(file: storage.OpenFile, spans: Iterable[tuple[int, int]]) -> int:
    block = np.empty(_BLOCK_BYTES, np.uint8)
    crc = 0
    for start, stop in spans:
        for offset in range(start, stop, _BLOCK_BYTES):
            got = file.read_into(block[: min(_BLOCK_BYTES, stop - offset)], offset)
            crc = google_crc32c.extend(crc, block[:got].tobytes())
    return crc
