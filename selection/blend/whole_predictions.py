"""Blending whole predictions: what an ensemble says of new items, by what its members say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from gapsack.selection.errors import InputError
from gapsack.selection.rows.rows import logit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from gapsack.selection.blend.evaluate import Blend

_DIMENSIONS = 2


def blended_arrays(
    weights: Mapping[str, float], blend: Blend, predictions: Mapping[str, ArrayLike]
) -> NDArray[np.float64]:
    """The probabilities of an ensemble, of its members'.

    Args:
        weights: of the members by name, at least one.
        blend: of probabilities or of logits.
        predictions: probabilities [items, classes] by the name of the member, of the same items in the same order.
            Models that are no members may be among them.

    Returns:
        [items, classes] in float64. Logits are blended within the clip of the search (1e-6 from 0 and 1).

    Raises:
        InputError: a member's are missing, have another shape than the first's, or are no probabilities.
    """
    missing = [name for name in weights if name not in predictions]
    if missing:
        raise InputError(
            f"expected predictions of every member, got none of {', '.join(missing)} "
            f"(got {', '.join(map(str, predictions)) or 'none'})"
        )
    total: NDArray[np.float64] | None = None
    for name, weight in weights.items():
        scores = _probabilities(name, predictions[name])
        if total is not None and scores.shape != total.shape:
            raise InputError(
                f"{name}: expected predictions of the shape {total.shape} of the members before, got {scores.shape}"
            )
        part = weight * (logit(scores) if blend == "logit" else scores)
        total = part if total is None else total + part
    assert total is not None
    return np.asarray(expit(total)) if blend == "logit" else total


def one_output(name: str, given: ArrayLike | Mapping[str, ArrayLike], output: str | None) -> ArrayLike:
    """A member's predictions of one output, of those by name; an array is of one output already.

    Raises:
        InputError: there is none of that name; there are several, and none is named.
    """
    if isinstance(given, list | tuple) and any(np.ndim(each) == _DIMENSIONS for each in given):
        raise InputError(
            f"{name}: expected probabilities [items, classes], or arrays by the name of the output, got a list of "
            f"{len(given)} arrays: name them, {{'genre': …}}, and give output="
        )
    if not isinstance(given, Mapping):
        return given
    names = ", ".join(map(str, given)) or "none"
    if output is None:
        if len(given) == 1:
            return next(iter(given.values()))
        raise InputError(f"{name}: expected which output is meant (output=…), one of {names}, got none")
    if output not in given:
        raise InputError(f"{name}: expected the output {output}, got {names}")
    return given[output]


def _probabilities(name: str, given: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(given)
    if scores.dtype.kind not in "fiu" or scores.ndim != _DIMENSIONS:
        raise InputError(f"{name}: expected probabilities [items, classes], got {scores.dtype} {scores.shape}")
    scores = scores.astype(np.float64)
    if not ((scores >= 0.0) & (scores <= 1.0)).all():
        raise InputError(f"{name}: expected probabilities from 0 to 1, got others")
    return scores
