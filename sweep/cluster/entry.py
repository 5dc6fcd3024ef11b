"""The first lines of the Tune process: what must hold before Ray, whose import takes seconds, is there."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.messages import Refused
from gapsack.sweep.cluster.signals import disregard_signals


def main() -> None:
    """Get a job from the driver, run it, and tell how it goes; the argument is the connection's file descriptor."""
    disregard_signals()
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # only this process's end is to close it
    with Connection(descriptor) as connection:
        job = connection.recv()
        try:
            from gapsack.sweep.cluster.tune import run

            run(job, connection)
        except InputError as error:
            connection.send(Refused(str(error)))
