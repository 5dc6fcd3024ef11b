"""Whether a machine can work in a bucket: asked of the nodes of a cluster before trials are sent there."""

from __future__ import annotations

import uuid

from gapsack.selection.errors import InputError
from gapsack.sweep.storage.objects import ObjectStore

PATIENCE_SECONDS = 20.0
"""How long a bucket may be silent; the rest of a node's time is for its process to start."""


def bucket_problem(url: str, name: str, content: str) -> str | None:
    """What keeps this machine from reading what another has written at a URL, and from writing there; None if nothing.

    Args:
        url: Of a folder in a bucket.
        name: Of an object there.
        content: What it holds.
    """
    try:
        store = ObjectStore(url, PATIENCE_SECONDS)
        if store.read(name) != content.encode():
            return f"it does not see {url} as the driver does: another bucket answers there, or another server"
        own = f".node-{uuid.uuid4().hex}"
        store.write(own, b"")
        store.delete(own)
    except (OSError, InputError) as error:
        return f"it cannot work at {url}: {error}"
    return None
