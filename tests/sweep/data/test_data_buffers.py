from __future__ import annotations

import gc

import numpy as np

from sweep.data.buffers import Buffers


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    buffers = Buffers()
    first = buffers.take(100)
    first[:] = 1
    place = address(first)
    view = first.reshape(10, 10)[2:, 3:].view(np.int8)
    del first
    other = buffers.take(100)
    other[:] = 2
    assert (view == 1).all()
    assert address(other) != place
    del view
    gc.collect()
    assert address(buffers.take(60)) == place


def test_sizes_are_as_asked_and_memory_is_not_hoarded() -> None:
    buffers = Buffers()
    for size in (10, 1000, 10, 0, 500, 2000):
        array = buffers.take(size)
        assert array.shape == (size,)
        array[:] = 7
        del array
    assert len(buffers._free) == 1
