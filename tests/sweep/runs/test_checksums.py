from __future__ import annotations

import google_crc32c
import numpy as np
import pytest

from gapsack.selection.errors import InputError
from gapsack.sweep.errors import DataError
from gapsack.sweep.runs import checksums


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for index, size in enumerate((0, 5, 3 * 2**20 + 17)):
        path = tmp_path / f"part {index}.tfrecord"
        path.write_bytes(rng.integers(0, 256, size, dtype=np.uint8).tobytes())
        paths.append(path)
    return paths


def test_contents_are_checked_whole(files):
    taken = checksums.take([str(path) for path in files])
    assert taken.of == checksums.CONTENTS
    assert [each.crc32c for each in taken.files] == [google_crc32c.value(path.read_bytes()) for path in files]
    assert [each.size_bytes for each in taken.files] == [0, 5, 3 * 2**20 + 17]


def test_beyond_the_limit_the_ends_are_checked(files):
    taken = checksums.take([str(path) for path in files], contents_bytes=1000)
    assert taken.of == checksums.ENDS
    data = files[2].read_bytes()
    assert taken.files[2].crc32c == google_crc32c.value(data[: 2**20] + data[-(2**20) :])
    assert taken.files[1].crc32c == google_crc32c.value(files[1].read_bytes() * 2)


def test_what_is_kept_is_read_back_and_held_against_the_files(files, tmp_path):
    target, paths = tmp_path / "checksums.txt", [str(path) for path in files]
    assert checksums.read(target) is None
    taken = checksums.take(paths)
    checksums.keep(target, taken)
    assert checksums.read(target) == taken
    checksums.keep(target, checksums.take(paths))  # nothing changed
    files[1].write_bytes(b"other")
    with pytest.raises(InputError, match=r"1 that changed since, such as part 1\.tfrecord"):
        checksums.keep(target, checksums.take(paths))
    assert checksums.read(target) == taken


def test_two_folders_may_have_files_of_one_name(files, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / files[1].name).write_bytes(b"another file")
    paths = [str(files[1]), str(other / files[1].name)]
    checksums.keep(tmp_path / "checksums.txt", checksums.take(paths))
    checksums.keep(tmp_path / "checksums.txt", checksums.take(paths))


def test_the_combined_checksum_depends_on_contents_alone(files):
    paths = [str(path) for path in files]
    taken = checksums.take(paths)
    forward = taken.combined(paths)
    assert forward == taken.combined([f"/elsewhere/{path.name}" for path in files])
    assert forward == taken.combined(paths[::-1])
    assert forward != taken.combined(paths[:2])
    assert taken.combined([*paths, "missing"]) is None
    files[0].write_bytes(b"x")
    assert forward != checksums.take(paths).combined(paths)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        checksums.take([str(tmp_path / "nowhere")])
