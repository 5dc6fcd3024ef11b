"""The first lines of a child with Ray: what must hold before Ray, whose import takes seconds, is there."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection

from gapsack.selection.errors import InputError
from gapsack.sweep.cluster.messages import MapJob, Refused
from gapsack.sweep.cluster.signals import disregard_signals


def main() -> None:
    """Get a job from the driver, run it, and tell how it goes; the argument is the connection's file descriptor."""
    disregard_signals()
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # only this process's end is to close it
    with Connection(descriptor) as connection:
        job = connection.recv()
        try:
            if isinstance(job, MapJob):
                from gapsack.sweep.cluster.mapped import answer_calls

                answer_calls(job, connection)
            else:
                from gapsack.sweep.cluster.tune import run

                run(job, connection)
        except InputError as error:
            connection.send(Refused(str(error)))
