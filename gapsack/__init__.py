"""The best model ensemble that fits a size budget: sweep, select, pack into one TensorFlow graph.

The names of the public interface are here, each imported when it is first asked for, so that `import gapsack` loads
nothing heavy. What lies deeper may be imported from its own room.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gapsack.extras import MissingExtraError, explain_missing

if TYPE_CHECKING:
    from gapsack.selection.gap import gap_at_k
    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.search import search_ensemble
    from gapsack.sweep.api import build, ensemble, evaluate, explain, frontier, predict, run, status

__version__ = "0.1.0"

__all__ = [
    "CandidatePool",
    "MissingExtraError",
    "build",
    "ensemble",
    "evaluate",
    "explain",
    "frontier",
    "gap_at_k",
    "predict",
    "run",
    "search_ensemble",
    "status",
]

explain_missing()

_HOMES = {
    "gapsack.selection.gap": ("gap_at_k",),
    "gapsack.selection.pool": ("CandidatePool",),
    "gapsack.selection.search": ("search_ensemble",),
    "gapsack.sweep.api": ("build", "ensemble", "evaluate", "explain", "frontier", "predict", "run", "status"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("dashboards", "models", "selection", "sweep")


def __getattr__(name: str) -> Any:
    """A public name, or a room, imported now."""
    if name in _ROOMS:
        return import_module(f"gapsack.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'gapsack' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """What there is, imported or not."""
    return sorted({*globals(), *__all__, *_ROOMS})
