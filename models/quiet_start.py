"""Starting Keras and TensorFlow without their notices on a person's terminal.

They are written to the standard error of the process before any setting of TensorFlow's is heard. What goes wrong here
is raised as an exception all the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
KEEP_MEMORY = "TF_CPU_ALLOCATOR_USE_BFC"
"""TensorFlow's setting: tensors of the processor are served from memory that it keeps."""


def load_tensorflow(*, keep_memory: bool = False) -> None:
    """Import TensorFlow and let it look for devices.

    With `keep_memory` it keeps the memory of its tensors for the next ones, as it does on GPUs, in place of handing it
    back to the system after each operation: for a process that answers batch after batch, where the system's zeroing
    of the same pages again takes up to a fifth of the time. Of no effect where TensorFlow runs already, or where
    the environment says otherwise.
    """
    before = os.environ.get(KEEP_MEMORY)
    if keep_memory:
        os.environ.setdefault(KEEP_MEMORY, "true")
    try:
        with _silent_start():
            import tensorflow as tf

            tf.config.list_physical_devices()
            if keep_memory:
                tf.config.list_logical_devices()  # this makes the allocator, which reads the setting
    finally:
        if before is None:
            os.environ.pop(KEEP_MEMORY, None)


def load_keras() -> None:
    """Import Keras and the library that it runs on; TensorFlow looks for devices."""
    with _silent_start():
        import keras

    if keras.backend.backend() == "tensorflow":
        load_tensorflow()


@contextmanager
def _silent_start() -> Iterator[None]:
    """The process's file descriptor 2 leads nowhere in the block, for C++ code as well.

    TensorFlow reads its log level once, here. The environment is left as it was, for processes that start later. Where
    it asks for all that TensorFlow logs, nothing is kept back.
    """
    before = os.environ.get(LOG_LEVEL)
    if before == "0":
        yield
        return
    os.environ.setdefault(LOG_LEVEL, "3")
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is what is wanted
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if before is None:
            del os.environ[LOG_LEVEL]
