"""What other libraries would say on a person's terminal, kept to what a person can use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def load_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, without its start-up notices.

    They are written to the standard error of the process before any setting of TensorFlow's is heard. What goes wrong
    here is raised as an exception all the same.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_standard_error():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextmanager
def _silent_standard_error() -> Iterator[None]:
    """The process's file descriptor 2 leads nowhere in the block, for C++ code as well."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is what is wanted
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
