"""Archives as numpy reads them, and what is wrong with the others."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gapsack.selection import npz
from gapsack.selection.errors import InputError
from gapsack.selection.npz import open_npz, read_npz

PLAIN = st.one_of(
    arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.floating_dtypes(), arrays.unicode_string_dtypes()
)


@settings(max_examples=60, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from("abc"), arrays.arrays(PLAIN, arrays.array_shapes(min_dims=0, min_side=0))))
def test_arrays_are_those_that_numpy_reads(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, **{name: np.asfortranarray(each) if each.ndim == 2 else each for name, each in values.items()})
        found = read_npz(path)
        assert set(found) == set(values)
        for name, each in values.items():
            assert (found[name].dtype, found[name].shape) == (each.dtype, each.shape)
            np.testing.assert_array_equal(found[name], each)
            assert found[name].flags.writeable


def test_arrays_are_read_one_at_a_time_and_a_missing_one_is_named(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.ones(2))
    with open_npz(tmp_path / "x.npz") as archive:
        assert (archive.shape("a"), archive.shape("b")) == ((3,), (2,))
        assert archive.names == ("a", "b")
        np.testing.assert_array_equal(archive["b"], [1, 1])
        with pytest.raises(InputError, match=r"x\.npz: expected the array c; got a, b"):
            archive["c"]
    with pytest.raises(InputError, match="expected the arrays a, c; c not there, got a, b"):
        read_npz(tmp_path / "x.npz", ("a", "c"))


@pytest.mark.parametrize("version", [(2, 0), (3, 0)])
def test_versions_of_the_format(version, tmp_path):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(5.0), version=version)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", file.getvalue())
    if version == (2, 0):
        np.testing.assert_array_equal(read_npz(tmp_path / "x.npz")["a"], np.arange(5.0))
    else:
        with pytest.raises(InputError, match="that plain arrays do not need"):
            read_npz(tmp_path / "x.npz")


@settings(max_examples=60, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from("abc"), arrays.arrays(PLAIN, arrays.array_shapes(min_dims=0, min_side=0))))
def test_mapped_arrays_are_those_that_are_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "MAPPED_BYTES", 0)
        for save in (np.savez, np.savez_compressed):
            save(path, **{name: np.asfortranarray(each) if each.ndim == 2 else each for name, each in values.items()})
            read, mapped = read_npz(path), read_npz(path, mapped=True)
            for name, each in read.items():
                assert (mapped[name].dtype, mapped[name].shape) == (each.dtype, each.shape)
                assert mapped[name].flags.f_contiguous == each.flags.f_contiguous
                np.testing.assert_array_equal(mapped[name], each)
                assert mapped[name].flags.writeable == (save is np.savez_compressed)


def resident_bytes():
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_a_mapped_array_takes_no_memory_of_the_process_and_outlives_its_file(tmp_path):
    values = np.arange(2**23, dtype=np.int64)
    np.savez(tmp_path / "x.npz", a=values)
    before = resident_bytes()
    mapped = read_npz(tmp_path / "x.npz", mapped=True)["a"]
    assert int(mapped.sum()) == int(values.sum())
    assert resident_bytes() - before < values.nbytes / 4
    (tmp_path / "x.npz").unlink()
    np.testing.assert_array_equal(mapped[-3:], values[-3:])


def test_a_small_array_is_read_and_a_file_that_cannot_be_mapped_too(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", a=np.arange(5))
    assert read_npz(tmp_path / "x.npz", mapped=True)["a"].flags.writeable
    monkeypatch.setattr(npz, "MAPPED_BYTES", 0)

    def full(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(npz.mmap, "mmap", full)
    found = read_npz(tmp_path / "x.npz", mapped=True)["a"]
    assert found.flags.writeable
    np.testing.assert_array_equal(found, np.arange(5))


@settings(max_examples=150, deadline=None, database=None)
@given(st.data())
def test_damage_to_a_mapped_archive_is_told_as_for_one_that_is_read(tmp_path_factory, data):
    """Any byte changed, any end cut off: both read the same arrays, or both say the same."""
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    np.savez(path, a=np.arange(40), b=np.arange(6.0))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)

    def outcome(*, mapped):
        try:
            return {name: each.tolist() for name, each in read_npz(path, mapped=mapped).items()}
        except InputError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "MAPPED_BYTES", 0)
        assert outcome(mapped=True) == outcome(mapped=False)
