"""The LSTM of the 2017 winners (Miech, Laptev and Sivic 2017, arXiv 1706.06905).

By default over frames that are sampled in training, without their order; a mixture of experts of the memory and the
output of every layer. Names are those of the authors' graph.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.blocks.common import SCOPE
from gapsack.models.kinds.recurrent import RecurrentKind


def _classified(states: Any) -> list[Any]:
    """Memory and output of every layer."""
    return [state for hidden, memory in states for state in (memory, hidden)]


FAMILY = RecurrentKind(
    name="lstm_willow",
    cell="lstm",
    root=f"{SCOPE}/RNN/rnn",
    classified=_classified,
    states=2,
    of_all_layers=True,
    sampled=True,
).family
