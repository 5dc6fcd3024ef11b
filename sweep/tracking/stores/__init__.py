"""The stores that a sweep can be recorded in, found by the scheme of the URI: each is one file here, or an entry point.

A module `stores/<scheme>.py` has a function `open_store`, and so has the entry point `<scheme>` of the group
`gapsack.trackers`; both keep the protocol `Opener`. A URI of any other scheme is MLflow's. Importing this package
imports none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gapsack.models.plugins import found
from gapsack.sweep.tracking.store import TrackerStore

ENTRY_POINTS = "gapsack.trackers"
DEFAULT = "mlflow"


class Opener(Protocol):
    """Opens an experiment of a store."""

    def __call__(self, uri: str, experiment: str, folder: Path, *, create: bool) -> TrackerStore:
        """The experiment, made where it is missing, or with `create=False` not made.

        Args:
            uri: of the store, with absolute paths.
            experiment: its name.
            folder: where files go by default, if the store is on this machine and knows no place of its own.
            create: whether store and experiment may be made.

        Raises:
            InputError: nothing usable is at `uri`; or it has no such experiment, and none is to be made.
        """


def open_store(uri: str, experiment: str, folder: Path, *, create: bool = True) -> TrackerStore:
    """The experiment at `uri`, of whatever store its scheme names; see `Opener`.

    Raises:
        InputError: see `Opener`; or an entry point cannot be loaded.
    """
    scheme = uri.split(":", 1)[0]
    opener: Opener | None = found(scheme, __name__, ENTRY_POINTS, "open_store")
    if opener is None:
        opener = found(DEFAULT, __name__, ENTRY_POINTS, "open_store")
    assert opener is not None
    store: TrackerStore = opener(uri, experiment, folder, create=create)
    return store
