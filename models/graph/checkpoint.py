"""Variables on disk: TensorFlow's checkpoint format, written as the arrays come."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gapsack.models.errors import GraphError

SHARD_BYTES = 64 * 2**20
"""Arrays are held until they are this many bytes, then written to a data file of their own."""


def write_checkpoint(prefix: Path, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write `<prefix>.index` and data files `<prefix>.data-<i>-of-<n>` that hold the arrays' bytes and nothing else.

    `arrays` is a stream of (variable name, array), in their stored form. What is held of it at a time is `SHARD_BYTES`
    and one array more.

    Raises:
        GraphError: The disk is full, or the folder cannot be written.
    """
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    shards: list[str] = []
    pending: dict[str, Any] = {}

    def write() -> None:
        shards.append(f"{prefix}_part{len(shards)}")
        tf.raw_ops.SaveV2(
            prefix=shards[-1],
            tensor_names=list(pending),
            shape_and_slices=[""] * len(pending),
            tensors=list(pending.values()),
        )
        pending.clear()

    try:
        with tf.device("CPU:0"):
            pending_bytes = 0
            for name, array in arrays:
                pending[name] = tf.convert_to_tensor(array)
                pending_bytes += array.nbytes
                if pending_bytes >= SHARD_BYTES:
                    write()
                    pending_bytes = 0
            if pending:
                write()
            tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=shards, destination_prefix=str(prefix), delete_old_dirs=False
            )
    except tf.errors.OpError as error:
        raise GraphError(f"expected to write the weights to {prefix.parent}, got {error.message}") from error
