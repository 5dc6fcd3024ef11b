"""Packages that only some uses of gapsack need, and what is said where one is missing.

`pip install gapsack` brings what choosing an ensemble needs. Training, building graphs and drawing reports stand on
larger packages, which the extras of pyproject.toml bring. Every room imports them plainly, where it needs them; here,
in one place, such an import that finds nothing becomes an error that says which extra to install.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from gapsack.selection.errors import InputError

EXTRAS = {
    "tensorflow": "train",
    "keras": "train",
    "ray": "train",
    "optuna": "train",
    "mlflow": "train",
    "cloudpickle": "train",
    "google_crc32c": "train",
    "fsspec": "train",
    "sklearn": "train",
    "jax": "jax",
    "cmaes": "cmaes",
    "torch": "gp",
    "pyarrow": "parquet",
    "plotly": "report",
    "kaleido": "images",
}
"""The extra that brings a module."""

_ASKING = ("gapsack", "keras")
"""Whose imports are meant: ours, and Keras's of the backend that it was told to use. Others look after their own."""


class MissingExtraError(InputError, ModuleNotFoundError):
    """A package is not installed that one of gapsack's extras brings."""


class MissingExtras(MetaPathFinder):
    """The last of Python's finders, asked only for modules that no other one found."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None, so that Python says as ever that there is no such module; `MissingExtraError` where we can say more."""
        extra = EXTRAS.get(fullname)
        if extra is not None and _importer().partition(".")[0] in _ASKING:
            raise MissingExtraError(
                f"Expected the package {fullname}, which is not installed: pip install 'gapsack[{extra}]'.",
                name=fullname,
            )
        return None


def _importer() -> str:
    """The module whose import statement is being carried out."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in ("importlib", "importlib._bootstrap"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))


def explain_missing() -> None:
    """From now on imports that find nothing are explained; done once, however often it is called."""
    if not any(isinstance(finder, MissingExtras) for finder in sys.meta_path):
        sys.meta_path.append(MissingExtras())
