"""Variables on disk: TensorFlow's checkpoint format, written one member at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from selection.errors import GraphError


def write_checkpoint(prefix: Path, members: Iterable[Iterator[tuple[str, NDArray[Any]]]]) -> None:
    """Write `<prefix>.index` and one data file a member, `<prefix>.data-<i>-of-<n>`.

    Each member is a stream of (variable name, array), held in its stored form until it is written, then let go; so the
    memory taken is one member's. Data files hold the arrays' bytes and nothing else.

    Raises:
        GraphError: The disk is full, or the folder cannot be written.
    """
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    shards = []
    with tf.device("CPU:0"):
        for index, parts in enumerate(members):
            # Each array becomes a tensor at once: keeping both copies of a member would double the memory.
            tensors = {name: tf.convert_to_tensor(array) for name, array in parts}
            shards.append(f"{prefix}_member{index}")
            try:
                tf.raw_ops.SaveV2(
                    prefix=shards[-1],
                    tensor_names=list(tensors),
                    shape_and_slices=[""] * len(tensors),
                    tensors=list(tensors.values()),
                )
            except tf.errors.OpError as error:
                raise GraphError(f"expected to write the weights of member {index}, got {error.message}") from error
            del tensors
        try:
            tf.raw_ops.MergeV2Checkpoints(
                checkpoint_prefixes=shards, destination_prefix=str(prefix), delete_old_dirs=False
            )
        except tf.errors.OpError as error:
            raise GraphError(f"expected to write the index of all weights, got {error.message}") from error
