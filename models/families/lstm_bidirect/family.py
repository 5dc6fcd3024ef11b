"""The bidirectional LSTM of the 2018 winners (Skalic and Austin 2018).

Half of the cells each way over all frames, then a layer of all cells; a logistic classifier of its memory. Names are
those of the authors' graph.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.blocks.common import SCOPE
from gapsack.models.kinds.recurrent import RecurrentKind


def _classified(states: Any) -> list[Any]:
    """The memory of the top layer."""
    return [states[-1][1]]


FAMILY = RecurrentKind(
    name="lstm_bidirect",
    cell="lstm",
    root=f"{SCOPE}/rnn",
    classified=_classified,
    both_ways=f"{SCOPE}/bidirectional_rnn",
    classifier="logistic",
).family
