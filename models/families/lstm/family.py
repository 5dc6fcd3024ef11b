"""The LSTM of the YouTube-8M starter code (Abu-El-Haija et al. 2016, arXiv 1609.08675).

Layers over all frames in order; a mixture of experts of what the top layer shows at the end. Names are those of the
starter's graph.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.blocks.common import SCOPE
from gapsack.models.kinds.recurrent import RecurrentKind


def _classified(states: Any) -> list[Any]:
    """What the top layer shows."""
    return [states[-1][0]]


FAMILY = RecurrentKind(
    name="lstm",
    cell="lstm",
    root=f"{SCOPE}/rnn",
    classified=_classified,
).family
