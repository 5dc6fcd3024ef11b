"""Tensors of arrays that lie anywhere in memory, with or without a copy."""

import numpy as np
import pytest

from gapsack.models.graph.handing import tensor_of
from gapsack.selection.memory import on_a_line


@pytest.mark.parametrize(
    "values",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.arange(1001, dtype=np.float32)[1:],
        np.arange(24, dtype=np.int32).reshape(4, 6)[:, ::2],
        np.arange(6, dtype=np.float64).reshape(2, 3).T,
        np.arange(6, dtype=">f4"),
        np.zeros((0, 3), np.float32),
        np.array([True, False]),
        np.array(3, np.int64),
    ],
    ids=["bytes", "unaligned", "strided", "transposed", "big-endian", "empty", "bool", "scalar"],
)
def test_the_same_numbers_of_the_same_type(values):
    tensor = tensor_of(values)
    assert tuple(tensor.shape) == values.shape
    assert tensor.dtype.as_numpy_dtype == values.dtype.newbyteorder("=").type
    np.testing.assert_array_equal(tensor.numpy(), values)


def test_a_batch_that_begins_on_a_line_is_handed_over_as_it_lies():
    values = on_a_line(400).view(np.float32)
    values[:] = 1
    tensor = tensor_of(values)
    values[0] = 2
    assert tensor.numpy()[0] == 2
    del values
    assert (tensor.numpy()[1:] == 1).all()


def test_any_other_is_copied():
    values = on_a_line(404).view(np.float32)[1:]
    values[:] = 1
    tensor = tensor_of(values)
    values[:] = 2
    assert (tensor.numpy() == 1).all()


def test_a_read_only_array():
    values = np.ones(100, np.float32)
    values.flags.writeable = False
    assert float(tensor_of(values).numpy().sum()) == 100
