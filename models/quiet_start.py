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


def load_tensorflow() -> None:
    """Import TensorFlow and let it look for devices."""
    with _silent_start():
        import tensorflow as tf

        tf.config.list_physical_devices()


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
