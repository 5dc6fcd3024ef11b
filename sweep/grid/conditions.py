"""The points of a space in which some axes are there only where others have certain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gapsack.sweep.grid.searching import Distribution


def conditional_product(
    space: Mapping[str, Distribution], values: Callable[[str], Sequence[Any]]
) -> Iterator[dict[str, Any]]:
    """Every combination of the `values` of axes, each point with those axes that it has; the last axis runs fastest."""
    return _below(list(space.items()), {key: values(key) for key in space}, {})


def _below(
    axes: Sequence[tuple[str, Distribution]], values: Mapping[str, Sequence[Any]], above: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not axes:
        yield above
        return
    (key, distribution), *rest = axes
    if not distribution.applies(above):
        yield from _below(rest, values, above)
        return
    for value in values[key]:
        yield from _below(rest, values, {**above, key: value})
