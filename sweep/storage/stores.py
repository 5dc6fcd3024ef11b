"""A place that keeps whole files by name, whatever it is: a folder of this machine, or one that many machines see.

Nothing here is open, appended to or locked: a file is there whole, or it is not. What needs more than that, such as
training, works in a folder of its machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gapsack.selection.files import make_folder, whole_file


class Store(Protocol):
    """Whole files by name; a name may have slashes in it. Errors are OSError."""

    @property
    def address(self) -> str:
        """Path or URL of the place, for whom it is named to."""

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; one that is there is replaced."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one; whether it was written. Of many who try at once, one does."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    def names(self) -> list[str]:
        """Names of the files that lie directly there, in the order of their names; looked up anew each time."""


class FolderStore:
    """A folder of a file system that this machine sees; made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def address(self) -> str:
        """Path of the folder."""
        return str(self._folder)

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; one that is there is replaced."""
        with whole_file(self._folder / name) as file:
            file.write(content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one; whether it was written. Of many who try at once, one does.

        By O_EXCL, which holds on network file systems too. The file is there a moment before its content is. Nothing is
        synced: that something was taken is for processes that live, and a power cut ends them.
        """
        path = self._folder / name
        make_folder(path.parent)
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self._folder / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Names of the files that lie directly there, in the order of their names; looked up anew each time."""
        return sorted(path.name for path in (self._folder.iterdir() if self._folder.is_dir() else ()))
