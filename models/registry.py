"""Model families by name: the place where an architecture is plugged in.

A new family is a `models.family.Family` passed to `register`; grids, sizes, training and the one graph then know it.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.families import gated_netvlad
from gapsack.models.family import Family
from gapsack.selection.errors import InputError

_FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Add a family.

    Raises:
        InputError: Another family of that name is registered; replacing one silently would change what a grid trains.
    """
    if _FAMILIES.get(family.name, family) is not family:
        raise InputError(f"expected a new name for the model family, got {family.name!r}, which is already registered")
    _FAMILIES[family.name] = family
    return family


def families() -> tuple[str, ...]:
    """Names of all registered families, sorted."""
    return tuple(sorted(_FAMILIES))


def family(name: str) -> Family:
    """The family of that name; InputError names the known ones when there is none."""
    try:
        return _FAMILIES[name]
    except KeyError:
        raise InputError(f"expected one of the model families {', '.join(families())}, got {name!r}") from None


def build(family_name: str, /, *, seed: int = 0, **hyperparameters: Any) -> Any:
    """A new `keras.Model` of the family.

    Args:
        family_name: One of `families()`.
        seed: Of the initial weights, which are the same on every backend, and of dropout.
        **hyperparameters: As the family lists them.

    Returns:
        A model: `model({"frames": x}, training=False)` -> float32 probabilities [batch, classes], for x [batch, frames,
        rgb + audio], uint8 (dequantized inside) or float32 (features as they are). Every frame is L2-normalised inside.

    Raises:
        InputError: As `Family.validate`.
    """
    chosen = family(family_name)
    complete = chosen.validate(hyperparameters)
    return chosen.network(chosen.tensors(complete), complete, seed)


register(gated_netvlad.FAMILY)
