"""Kernels that a package adds to the TensorFlow backend: named in its metadata, and imported when a step wants them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import cast

from gapsack.models.layers.kernels import Kernels
from gapsack.selection.errors import InputError

GROUP = "gapsack.kernels"
"""Entry points of installed packages, each a function of no arguments that makes the `Kernels` of its name."""


def plug_in(name: str) -> Callable[[], Kernels] | None:
    """What makes the kernels of this name; None where no installed package offers them.

    Raises:
        InputError: Several packages do.
    """
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if len(found) > 1:
        raise InputError(f"expected one package that offers the kernels {name!r}, got {', '.join(sorted(found))}")
    return cast(Callable[[], Kernels], next(iter(found.values())).load()) if found else None
