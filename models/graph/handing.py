"""Arrays handed to TensorFlow as they lie, where that can be: `tf.constant` copies, twice what is not on a line."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from gapsack.selection.memory import begins_on_a_line, on_a_line


def tensor_of(values: NDArray[Any]) -> Any:
    """A tensor of an array's numbers, for as long as nobody writes to the array.

    Of the array's own memory where that begins on a line, as a reader's batches do and as TensorFlow's kernels want it;
    otherwise of one copy.
    """
    import tensorflow as tf

    if not values.nbytes or not values.dtype.isnative or values.dtype.kind not in "iuf":
        return tf.constant(values)
    if not (values.flags.c_contiguous and values.flags.writeable and begins_on_a_line(values)):
        copy: NDArray[Any] = on_a_line(values.nbytes).view(values.dtype).reshape(values.shape)
        copy[...] = values
        values = copy
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())
