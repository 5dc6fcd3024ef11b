"""Files of weights: how much each item, or each class, of a pool counts."""

from __future__ import annotations

import math
from pathlib import Path

from gapsack.selection.errors import PoolError
from gapsack.sweep.pools.tables import is_archive, read_table


def read_item_weights(path: Path) -> dict[str, float]:
    """Weights by id, of a CSV with the columns `id` and `weight`.

    Raises:
        PoolError: it cannot be read as such, an id comes twice, or a weight is no positive number; names the file.
    """
    return _read(path, "id")


def read_class_weights(path: Path) -> dict[int, float]:
    """Weights by class number, of a CSV with the columns `class` and `weight`; it need not have every class.

    Raises:
        PoolError: as for items, or a class that is no whole number.
    """
    weights = _read(path, "class")
    wrong = next((name for name in weights if not name.isdecimal()), None)
    if wrong is not None:
        raise PoolError(f"{path}: expected classes as whole numbers, got {wrong[:60]!r}")
    numbered = {int(name): weight for name, weight in weights.items()}
    if len(numbered) < len(weights):
        raise PoolError(f"{path}: expected every class once, got one twice")
    return numbered


def _read(path: Path, column: str) -> dict[str, float]:
    if is_archive(path):
        raise PoolError(f"{path}: expected a CSV with the columns {column},weight, got an archive of arrays")
    try:
        names, texts = read_table(path, (column, "weight"))
    except PoolError as error:
        raise PoolError(f"{path}: {error}") from error
    weights: dict[str, float] = {}
    for row, (name, text) in enumerate(zip(names, texts, strict=True), 2):
        if name in weights:
            raise PoolError(f"{path}: expected every {column} once, got {str(name)[:60]!r} again in row {row}")
        weights[str(name)] = _positive(text, path, row)
    return weights


def _positive(text: str, path: Path, row: int) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0.0):
        raise PoolError(f"{path}: expected a weight above 0, got {text[:60]!r} in row {row}")
    return weight
