"""Data files stay what they were when the sweep started: size and time of the last change, else what is in them.

A file that only was touched, or copied anew, is the same file: its checksum says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gapsack.selection.files import read_json, replace_json
from gapsack.sweep.data.storage.files import Stamp, stamps
from gapsack.sweep.errors import DataError
from gapsack.sweep.runs import checksums
from gapsack.sweep.runs.folder import RunFolder


def write_stamps(path: Path, found: dict[str, Stamp]) -> None:
    """Keep stamps, which workers hold against the files."""
    replace_json(path, {file: list(stamp) for file, stamp in found.items()})


def read_stamps(path: Path) -> dict[str, Stamp]:
    """What `write_stamps` kept; nothing where an earlier version started the run."""
    return {file: Stamp(*stamp) for file, stamp in read_json(path).items()} if path.exists() else {}


class UnchangedFiles:
    """The data files of a run, as they were when its driver started; those that it does not know, as they are now."""

    def __init__(self, run: RunFolder, paths: Iterable[str]) -> None:
        self._checksums_file = run.checksums_file
        known = read_stamps(run.stamps_file)
        self._paths = list(dict.fromkeys(paths))
        self._known = stamps([path for path in self._paths if path not in known]) | known

    def check(self, paths: Iterable[str] | None = None) -> None:
        """Look at these files, or at all.

        Raises:
            DataError: one is gone, or has changed; it is named.
        """
        now = stamps(self._paths if paths is None else list(paths))
        changed = [path for path, stamp in now.items() if stamp != self._known[path] and not self._is_same(path, stamp)]
        if changed:
            path = changed[0]
            before, after = self._known[path].size_bytes, now[path].size_bytes
            how = f"had {before} bytes and has {after}" if before != after else "has other contents"
            more = f", and {len(changed) - 1} others" if len(changed) > 1 else ""
            raise DataError(
                f"Data files must stay as they are while a sweep runs, but {path} has changed since it was started: it "
                f"{how}{more}. Start the sweep again with the files that it began with, or under another name."
            )

    def _is_same(self, path: str, stamp: Stamp) -> bool:
        """Whether a file has the contents that it had; then the new stamp counts."""
        if stamp.size_bytes != self._known[path].size_bytes:
            return False
        known = checksums.read(self._checksums_file)
        if known is None or not known.still_has(path):
            return False
        self._known[path] = stamp
        return True
