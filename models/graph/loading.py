"""Loading graphs that anyone may have written: whatever TensorFlow raises of a damaged one is told as such."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gapsack.models.graph.names import SAVED_MODEL_FILE
from gapsack.selection.errors import GapsackError, InputError

LONGEST_SHOWN = 300


def load_saved_model(folder: Path) -> Any:
    """What `tf.saved_model.load` returns; InputError when there is no SavedModel, or it cannot be loaded."""
    import tensorflow as tf

    if not (folder / SAVED_MODEL_FILE).is_file():
        raise InputError(f"expected a SavedModel in {folder}, got no {SAVED_MODEL_FILE} there")
    with reading(folder):
        return tf.saved_model.load(str(folder))


@contextmanager
def reading(place: Path, what: str = "a SavedModel") -> Iterator[None]:
    """Turn what TensorFlow raises in the block into an InputError: of another's file it may be anything."""
    try:
        yield
    except (GapsackError, MemoryError):
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:LONGEST_SHOWN]
        raise InputError(
            f"expected {what} in {place}, which cannot be loaded: {type(error).__name__}: {told}"
        ) from error
