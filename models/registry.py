"""Model families by name: the place where an architecture is plugged in.

A family is a `models.family.Family`, found by name: the `FAMILY` of the package `gapsack.models.families.<name>`,
what an entry point `<name>` of the group `gapsack.families` names, or what was passed to `register`. Grids, sizes,
training and the one graph then know it.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.family import Family
from gapsack.models.plugins import found, found_names
from gapsack.selection.errors import InputError

PACKAGE, GROUP, ATTRIBUTE = "gapsack.models.families", "gapsack.families", "FAMILY"

_registered: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Add a family, in this process alone; an entry point adds it in the workers of a sweep as well.

    Raises:
        InputError: Another family of that name is known; replacing one silently would change what a grid trains.
    """
    known = _registered.get(family.name) or found(family.name, PACKAGE, GROUP, ATTRIBUTE)
    if known is not None and known is not family:
        raise InputError(f"expected a new name for the model family, got {family.name!r}, which is already registered")
    _registered[family.name] = family
    return family


def families() -> tuple[str, ...]:
    """Names of all known families, sorted."""
    return tuple(sorted({*_registered, *found_names(PACKAGE, GROUP)}))


def family(name: str) -> Family:
    """The family of that name; InputError names the known ones when there is none."""
    known = _registered.get(name) or found(name, PACKAGE, GROUP, ATTRIBUTE)
    if known is None:
        raise InputError(f"expected one of the model families {', '.join(families())}, got {name!r}")
    if not isinstance(known, Family) or known.name != name:
        raise InputError(f"expected a gapsack.models.family.Family of the name {name}, got {known!r}")
    return known


def build(family_name: str, /, *, seed: int = 0, **hyperparameters: Any) -> Any:
    """A new `keras.Model` of the family.

    Args:
        family_name: One of `families()`.
        seed: Of the initial weights and of dropout. The weights are the same on every backend, save those that Keras
            initialises (family keras_model).
        **hyperparameters: As the family lists them.

    Returns:
        A model: `model(inputs, training=False)` -> float32 probabilities [batch, classes], with the inputs of its
        task by name. For YouTube-8M those are `frames` [batch, frames, rgb + audio], uint8 (dequantized inside) or
        float32 (features as they are), and `num_frames` int32 [batch], which models of sampled frames do without.

    Raises:
        InputError: As `Family.validate`.
    """
    chosen = family(family_name)
    complete = chosen.validate(hyperparameters)
    return chosen.network(chosen.tensors(complete), complete, seed)
