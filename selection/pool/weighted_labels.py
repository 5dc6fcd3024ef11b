"""How much items and classes count, given by name: put into a pool's labels, and told of in a record."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.errors import PoolError
from gapsack.selection.pool.lists import named_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from gapsack.selection.pool.lists import Labels


def weighted(
    labels: Labels,
    item_weights: Mapping[str, float] | None = None,
    class_weights: Mapping[int, float] | None = None,
) -> Labels:
    """Labels whose items and classes count as given; what is None stays as it is.

    Args:
        labels: ground truth.
        item_weights: a positive number for every id.
        class_weights: positive numbers by class; a class that is not there weighs 1.

    Raises:
        PoolError: an id without a weight or a weight without its item, a class outside the vocabulary, a number that
            is not positive and finite.
    """
    if item_weights is not None:
        labels = replace(labels, item_weights=_of_items(labels, item_weights))
    if class_weights is not None:
        labels = replace(labels, class_weights=_of_classes(labels, class_weights))
    return labels


def weighting_of(labels: Labels) -> dict[str, Any]:
    """What an ensemble's record says of the weights: how many were given, and a digest that tells them from others.

    Empty where everything counts the same.
    """
    found: dict[str, Any] = {}
    if labels.item_weights is not None:
        found["items"] = _told(zip(labels.video_ids.tolist(), labels.item_weights.tolist(), strict=True))
    if labels.class_weights is not None:
        numbered = enumerate(labels.class_weights.tolist())
        found["classes"] = _told((number, weight) for number, weight in numbered if weight != 1.0)
    return found


def _told(pairs: Iterable[tuple[object, float]]) -> dict[str, Any]:
    lines = sorted(f"{name},{weight!r}" for name, weight in pairs)
    return {"count": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def _of_items(labels: Labels, weights: Mapping[str, float]) -> NDArray[np.float64]:
    ids = labels.video_ids.tolist()
    missing = [each for each in ids if each not in weights]
    if missing:
        raise PoolError(f"item weights must name every item; got none for {named_ids(missing)}.")
    strangers = sorted(set(weights) - set(ids))
    if strangers:
        raise PoolError(f"item weights must be of the pool's items; got some for {named_ids(strangers)}.")
    return np.array([_number(weights[each], "item weights") for each in ids])


def _of_classes(labels: Labels, weights: Mapping[int, float]) -> NDArray[np.float64]:
    found = np.ones(labels.class_count)
    for number, weight in weights.items():
        if not isinstance(number, int | np.integer) or not 0 <= number < labels.class_count:
            raise PoolError(f"class weights must be of classes from 0 to {labels.class_count - 1}; got {number!r}.")
        found[number] = _number(weight, "class weights")
    return found


def _number(weight: object, what: str) -> float:
    if not isinstance(weight, int | float | np.number) or isinstance(weight, bool):
        raise PoolError(f"{what} must be positive, finite numbers; got {weight!r}.")
    return float(weight)
