from __future__ import annotations

import gc

import numpy as np

from gapsack.sweep.data.storage.buffers import Buffers


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


class Collecting(list[np.ndarray]):
    """A list that the garbage collector comes upon when its length is asked for."""

    def __len__(self) -> int:
        gc.collect()
        return super().__len__()


def test_the_collector_may_give_memory_back_in_the_midst_of_taking_some() -> None:
    buffers = Buffers()
    circle: list[object] = [buffers.take(10), buffers.take(10)]
    del circle[0]
    circle.append(circle)
    buffers._free = Collecting(buffers._free)
    del circle
    array = buffers.take(10)
    array[:] = 7
    assert len(buffers._free) == 1
