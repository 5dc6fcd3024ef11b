"""The GRU of the 2017 winners (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

Layers over all frames in order; a mixture of experts of the state of every layer. Names are those of the authors'
graph.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.blocks.common import SCOPE
from gapsack.models.kinds.recurrent import RecurrentKind


def _classified(states: Any) -> list[Any]:
    """The state of every layer."""
    return [hidden for (hidden,) in states]


FAMILY = RecurrentKind(
    name="gru",
    cell="gru",
    root=f"{SCOPE}/RNN/rnn",
    classified=_classified,
    of_all_layers=True,
).family
