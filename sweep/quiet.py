"""What other libraries would say on a person's terminal, kept to what a person can use."""

from __future__ import annotations

import os


def quiet_libraries() -> None:
    """Keep TensorFlow's start-up notices off the terminal, unless the environment asks for them.

    Without a GPU they come at the level of errors. An error that matters is raised as an exception as well.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
