"""The address of a Ray cluster, as a person gives it: told at once where it can be none."""

from __future__ import annotations

import socket

from gapsack.selection.errors import InputError

VARIABLE = "RAY_ADDRESS"
"""Ray's own variable for it, which Ray's jobs have."""

_ANSWER_SECONDS = 10.0
_NAMES = ("auto",)
"""What Ray looks up by itself: the cluster that runs on this machine."""


def checked_address(address: str) -> str:
    """An address that `ray.init` can take: `auto`, or the host and port of a cluster's head, where something answers.

    Raises:
        InputError: it is another kind of address, or nothing answers there.
    """
    if address in _NAMES:
        return address
    if "://" in address:
        raise InputError(
            f"expected auto or HOST:PORT of a cluster's head, got {address}: Ray's client (ray://) does not carry "
            "sweeps; run the command on a node of the cluster with --address auto, or as a job there (ray job submit)"
        )
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError(
            f"expected auto or HOST:PORT of a cluster's head, such as 10.0.0.1:6379, got {address}"
            + (": without --address, Ray runs on this machine" if address == "local" else "")
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        raise InputError(
            f"expected the head of a Ray cluster at {address}, where nothing answers ({error}): ray start --head says "
            "its address, and ray status --address asks for it"
        ) from error
    return address
