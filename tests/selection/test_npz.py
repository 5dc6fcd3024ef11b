"""Archives as numpy reads them, and what is wrong with the others."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

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
