from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.selection.errors import InputError, PoolError
from gapsack.selection.files import (
    move_whole,
    read_json,
    remove_temporary_files,
    replace_json,
    replace_text,
    sync_folder,
    whole_file,
    whole_folder,
    whole_text_file,
)


class Disk:
    """Notes the calls of the system that bring something to the disk, and lets one of them fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int | None = None, error: int = errno.EIO) -> None:
        self.calls: list[tuple[str, Path]] = []
        self._fail_at, self._error = fail_at, error
        monkeypatch.setattr(
            os, "fsync", self._noted("fsync", os.fsync, lambda file: Path(f"/proc/self/fd/{file}").readlink())
        )
        monkeypatch.setattr(os, "replace", self._noted("replace", os.replace, lambda source, target: target))
        monkeypatch.setattr(os, "mkdir", self._noted("mkdir", os.mkdir, lambda folder, mode: folder))

    def _noted(self, name, call, place):
        def noted(*arguments):
            self.calls.append((name, Path(place(*arguments))))
            if len(self.calls) - 1 == self._fail_at:
                raise OSError(self._error, os.strerror(self._error))
            return call(*arguments)

        return noted


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_file(path: Path, content: bytes) -> None:
    with whole_file(path) as file:
        file.write(content)


def write_folder(path: Path, content: bytes) -> None:
    with whole_folder(path, "marker") as part:
        (part / "deep").mkdir()
        (part / "deep" / "file").write_bytes(content)
        (part / "marker").touch()


def killed_at(step: int, statement: str, folder: Path) -> int:
    """The exit code of a process that runs a statement on `folder / "it"` and is killed at a call of `Disk`'s."""
    code = (
        "import os, pathlib, sys\n"
        f"sys.path.insert(0, {os.fspath(Path(__file__).parent)!r})\n"
        "from test_files import write_file, write_folder\n"
        "calls = []\n"
        "def fatal(call):\n"
        "    def last(*arguments):\n"
        "        calls.append(call)\n"
        f"        if len(calls) - 1 == {step}: os.kill(os.getpid(), 9)\n"
        "        return call(*arguments)\n"
        "    return last\n"
        "os.fsync, os.replace = fatal(os.fsync), fatal(os.replace)\n"
        f"{statement}(pathlib.Path(sys.argv[1]), b'new')\n"
    )
    return subprocess.run([sys.executable, "-c", code, str(folder / "it")], check=False).returncode


def test_a_file_is_synced_then_named_then_its_folder_is_synced(tmp_path, monkeypatch):
    disk = Disk(monkeypatch)
    target = tmp_path / "new" / "deep" / "file"
    with whole_file(target) as file:
        file.write(b"content")
        assert not target.exists()
    assert target.read_bytes() == b"content"
    part = disk.calls[4][1]
    assert part.parent == target.parent
    assert part != target
    assert disk.calls == [
        ("mkdir", tmp_path / "new"),
        ("fsync", tmp_path),
        ("mkdir", target.parent),
        ("fsync", tmp_path / "new"),
        ("fsync", part),
        ("replace", target),
        ("fsync", target.parent),
    ]


def test_all_of_a_folder_is_synced_before_it_is_named(tmp_path, monkeypatch):
    target, part = tmp_path / "graph", tmp_path / ".graph.part"
    disk = Disk(monkeypatch)
    write_folder(target, b"first")
    named = disk.calls.index(("replace", target))
    assert {place for call, place in disk.calls[:named] if call == "fsync"} == {
        part,
        part / "deep",
        part / "deep" / "file",
        part / "marker",
    }
    assert disk.calls[named + 1 :] == [("fsync", tmp_path)]


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_whatever_fails_the_old_or_the_new_stays_and_nothing_else(tmp_path, monkeypatch, write):
    old, new = tmp_path / "expected-old", tmp_path / "expected-new"
    for path, content in ((old, b"old"), (new, b"new")):
        path.mkdir()
        write(path / "it", content)
    failures = 0
    while True:
        folder = tmp_path / f"step-{failures}"
        folder.mkdir()
        write(folder / "it", b"old")
        try:
            with monkeypatch.context() as patch:
                Disk(patch, fail_at=failures)
                write(folder / "it", b"new")
        except OSError as error:
            assert error.errno == errno.EIO
            assert contents(folder) in (contents(old), contents(new)), f"after call {failures}"
            failures += 1
        else:
            break
    assert failures >= 3, "nothing was tried"
    assert contents(folder) == contents(new)


@pytest.mark.parametrize(("write", "steps"), [(write_file, 3), (write_folder, 7)])
def test_whenever_a_process_is_killed_the_old_or_the_new_is_there_for_the_next(tmp_path, write, steps):
    for step in range(steps):
        folder = tmp_path / f"step-{step}"
        folder.mkdir()
        write(folder / "it", b"old")
        old = contents(folder)
        assert killed_at(step, write.__name__, folder) == -signal.SIGKILL
        found = {name: content for name, content in contents(folder).items() if name.startswith("it")}
        if write is write_folder and step == steps - 2:
            assert found == {}, "between the two moves of a folder there is none"
            with pytest.raises(KeyboardInterrupt), whole_folder(folder / "it", "marker"):
                raise KeyboardInterrupt
            assert contents(folder) == old
        else:
            assert found == old or found == {name: content.replace(b"old", b"new") for name, content in old.items()}
        remove_temporary_files(folder)
        write(folder / "it", b"next")
        assert contents(folder) == {name: content.replace(b"old", b"next") for name, content in old.items()}
    assert killed_at(steps, write.__name__, folder) == 0, "there are more steps than were tried"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_a_failure_while_writing_leaves_what_was_there(tmp_path, interruption):
    write_file(tmp_path / "file", b"old")
    with pytest.raises(interruption), whole_text_file(tmp_path / "file") as file:
        file.write("half")
        raise interruption
    write_folder(tmp_path / "folder", b"old")
    before = contents(tmp_path)
    with pytest.raises(interruption), whole_folder(tmp_path / "folder", "marker") as part:
        (part / "half").touch()
        raise interruption
    assert contents(tmp_path) == before


def test_a_folder_replaces_an_earlier_one(tmp_path):
    write_folder(tmp_path / "new" / "graph", b"first")
    with whole_folder(tmp_path / "new" / "graph", "marker") as part:
        (part / "marker").touch()
        assert contents(tmp_path / "new" / "graph") == {"deep/file": b"first", "marker": b""}
    assert contents(tmp_path) == {"new/graph/marker": b""}


def test_folders_that_hold_something_else_are_not_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for taken in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InputError, match=f"expected a new folder.* got {taken}"):
            write_folder(taken, b"")
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_system_that_cannot_sync_folders_is_taken_as_it_is(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        Disk(patch, fail_at=0, error=errno.EINVAL)
        sync_folder(tmp_path)
    Disk(monkeypatch, fail_at=0, error=errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_file_has_the_permissions_of_any_new_one(tmp_path, mask):
    before = os.umask(mask)
    try:
        replace_text(tmp_path / "whole", "")
        (tmp_path / "plain").write_text("")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("whole", "plain")]
    assert modes == [0o666 & ~mask] * 2


def test_a_file_is_moved_whole(tmp_path, monkeypatch):
    (tmp_path / "from").write_text("content")
    (tmp_path / "to").mkdir()
    disk = Disk(monkeypatch)
    move_whole(tmp_path / "from", tmp_path / "to" / "file")
    assert disk.calls == [
        ("fsync", tmp_path / "from"),
        ("replace", tmp_path / "to" / "file"),
        ("fsync", tmp_path / "to"),
    ]
    assert contents(tmp_path) == {"to/file": b"content"}


def test_only_temporary_files_of_ours_are_removed(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "state.npz"):
        (ours,) = tmp_path.iterdir()
        raise KeyboardInterrupt
    stay = [".nfs000000001a2b3c4d00000001", ".DS_Store", ".state.npz.part", "state.npz.1a2b.part", ".env"]
    for name in (ours.name, ".state.npz.1234.part", *stay):
        (tmp_path / name).touch()
    (tmp_path / ".folder.1a.part").mkdir()
    remove_temporary_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*stay, ".folder.1a.part"])
    remove_temporary_files(tmp_path / "missing")


def test_what_killed_processes_left_of_a_file_goes_when_it_is_written_again(tmp_path):
    assert killed_at(0, "write_file", tmp_path) == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".it.")
    stay = {".it.part", ".it.1a.csv.part", ".it.csv.1a.part", ".other.1a.part", "it.1a.part", ".it.1a.part2"}
    for name in stay:
        (tmp_path / name).touch()
    (tmp_path / ".it.1b.part").mkdir()
    write_file(tmp_path / "it", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"it", ".it.1b.part", *stay}


def test_what_another_is_writing_stays(tmp_path):
    with whole_file(tmp_path / "it") as first:
        first.write(b"first")
        write_file(tmp_path / "it", b"second")
        assert contents(tmp_path)["it"] == b"second"
    assert contents(tmp_path) == {"it": b"first"}


def test_a_file_that_was_taken_for_abandoned_too_soon_is_begun_again(tmp_path, monkeypatch):
    """Between a file's opening and its locking another process may find it without a lock."""
    taken = []

    def flock(file, operation):
        if not taken:
            taken.append(Path(file.name))
            taken[0].unlink()

    monkeypatch.setattr("gapsack.selection.files.fcntl.flock", flock)
    write_file(tmp_path / "it", b"new")
    assert contents(tmp_path) == {"it": b"new"}


def test_without_locks_nothing_is_taken_for_abandoned(tmp_path, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("gapsack.selection.files.fcntl.flock", flock)
    (tmp_path / ".it.1a.part").touch()
    write_file(tmp_path / "it", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"it", ".it.1a.part"}


def test_text_is_written_as_it_is(tmp_path):
    replace_text(tmp_path / "text", "é\r\n\n")
    assert (tmp_path / "text").read_bytes() == "é\r\n\n".encode()


def test_json_comes_back(tmp_path):
    value = {"é": [1, 0.1 + 0.2, None, True]}
    replace_json(tmp_path / "new" / "value.json", value)
    assert read_json(tmp_path / "new" / "value.json") == value
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace_json(tmp_path / "new" / "value.json", float("nan"))
    assert read_json(tmp_path / "new" / "value.json") == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "expected this JSON file; it is not there"),
        (b"{", "expected JSON; got Expecting property name"),
        (b"\xff", "expected JSON; got 'utf-8' codec"),
        (Path, "expected a JSON file that can be read; got Is a directory"),
    ],
)
def test_json_that_cannot_be_read_is_a_sentence_with_its_place(tmp_path, content, said):
    path = tmp_path / "value.json"
    if content is Path:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(f"{path}: {said}")) as raised:
        read_json(path)
    assert type(raised.value) is InputError
    with pytest.raises(PoolError, match=re.escape(said)):
        read_json(path, error=PoolError)
