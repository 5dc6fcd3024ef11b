from __future__ import annotations

import subprocess
import sys

import pytest

from gapsack.models.graph.files import file_sizes, whole_folder
from gapsack.selection.errors import InputError


def write(directory, content=b"whole"):
    with whole_folder(directory, marker="marker") as part:
        (part / "deep").mkdir()
        (part / "deep" / "file").write_bytes(content)
        (part / "marker").touch()
        assert not directory.exists() or file_sizes(directory) != file_sizes(part)


def test_a_folder_appears_whole_and_replaces_an_earlier_one(tmp_path):
    write(tmp_path / "new" / "graph")
    assert file_sizes(tmp_path / "new" / "graph") == {"deep/file": 5, "marker": 0}
    write(tmp_path / "new" / "graph", b"second")
    assert file_sizes(tmp_path / "new") == {"graph/deep/file": 6, "graph/marker": 0}


def test_a_failure_leaves_what_was_there(tmp_path):
    write(tmp_path / "graph")
    with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "graph", marker="marker") as part:
        (part / "half").touch()
        raise KeyboardInterrupt
    assert file_sizes(tmp_path) == {"graph/deep/file": 5, "graph/marker": 0}


def test_a_killed_process_leaves_nothing_under_the_name_and_the_next_one_cleans_up(tmp_path):
    code = (
        "import os, sys, pathlib\n"
        "from gapsack.models.graph.files import whole_folder\n"
        "with whole_folder(pathlib.Path(sys.argv[1]), marker='marker') as part:\n"
        "    (part / 'half').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "graph")], check=False)
    assert killed.returncode == -9
    assert file_sizes(tmp_path) == {".graph.part/half": 0}
    write(tmp_path / "graph")
    assert file_sizes(tmp_path) == {"graph/deep/file": 5, "graph/marker": 0}


def test_folders_that_hold_something_else_are_not_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="expected a new folder"):
        write(tmp_path)
    with pytest.raises(InputError, match="expected a new folder"):
        write(tmp_path / "notes.txt")
    assert file_sizes(tmp_path) == {"notes.txt": 4}
