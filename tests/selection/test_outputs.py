"""Where something is written: links are followed and stay; what is no plain file is streamed to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gapsack.selection.errors import InputError
from gapsack.selection.files import replace_text, whole_folder
from gapsack.selection.outputs import check_file, check_folder, is_streamed, target_of


def build(folder: Path, content: str) -> None:
    with whole_folder(folder, "marker") as part:
        (part / "marker").touch()
        (part / "content").write_text(content)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    build(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "far").symlink_to("not/yet")
    for content in ("new", "newer"):
        for name in ("link", "far"):
            build(tmp_path / name, content)
            assert (tmp_path / name).is_symlink()
            assert (tmp_path / name / "content").read_text() == content
    assert names(tmp_path) == [
        "far", "link", "not", "not/yet", "not/yet/content", "not/yet/marker", "real", "real/content", "real/marker"
    ]  # fmt: skip


def test_a_link_that_an_earlier_version_left_aside_is_in_nobodys_way(tmp_path: Path) -> None:
    build(tmp_path / "real", "old")
    build(tmp_path / "graph", "old")
    (tmp_path / ".graph.earlier").symlink_to("real")
    build(tmp_path / "graph", "new")
    assert (tmp_path / "graph" / "content").read_text() == "new"
    assert (tmp_path / "real" / "content").read_text() == "old"
    assert ".graph.earlier" not in names(tmp_path)


def test_a_build_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    build(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to("real")
    before = names(tmp_path)
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "link", "marker"):
        raise ZeroDivisionError
    assert names(tmp_path) == before
    build(tmp_path / "link", "new")
    assert names(tmp_path) == before


def test_a_file_behind_links_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to(tmp_path / "real")
    inode = (tmp_path / "real").stat().st_ino
    replace_text(tmp_path / "one", "new")
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "real").stat().st_ino != inode, "it was written in place"
    assert names(tmp_path) == ["one", "real", "two"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("mode", ["w", "a"])
def test_what_goes_to_standard_output_joins_what_is_there(name: str, mode: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "log").write_text("before\n")
    code = (
        "from gapsack.selection.files import replace_text\n"
        f"print('first'); replace_text({name!r}, 'text\\n'); print('last')"
    )
    with (tmp_path / "log").open(mode) as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, cwd=tmp_path, check=True)
    written = (tmp_path / "log").read_text()
    assert written == ("" if mode == "w" else "before\n") + "first\ntext\nlast\n"
    assert names(tmp_path) == ["link", "log"]


def test_a_way_through_links_is_that_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/real")
    (tmp_path / "out").symlink_to("link/../x")
    for name in ("link/../x", "out"):
        replace_text(tmp_path / name, name)
        assert (tmp_path / "deep" / "x").read_text() == name
    assert names(tmp_path) == ["deep", "deep/real", "deep/x", "link", "out"]


def test_devices_and_pipes_are_known(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    assert all(is_streamed(each) for each in ("/dev/null", "/dev/stderr", tmp_path / "pipe", tmp_path / "link"))
    assert not any(is_streamed(each) for each in (tmp_path, tmp_path / "new", __file__))
    replace_text("/dev/null", "text")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_what_cannot_be_written_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "dangling").symlink_to("new/deep")
    assert check_file(tmp_path / "dangling") == tmp_path / "dangling"
    assert check_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert target_of(tmp_path / "dangling") == tmp_path / "new" / "deep"
    for check, path, told in (
        (check_file, tmp_path, "expected a file to write to, got the folder"),
        (check_folder, tmp_path / "file", "expected a folder to write to"),
        (check_folder, Path("/dev/null"), "expected a folder to write to"),
        (check_file, tmp_path / "file" / "below", "file is no folder"),
        (check_file, tmp_path / ("é" * 130), "expected names of at most 240 bytes"),
        (check_folder, tmp_path / "circle", "lead in a circle"),
    ):
        with pytest.raises(InputError, match=told):
            check(path)
    with pytest.raises(InputError, match="expected a file to write to, got the folder"):
        replace_text(tmp_path, "text")
