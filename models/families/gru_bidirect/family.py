"""The bidirectional GRU of the 2018 winners (Skalic and Austin 2018).

Half of the cells each way over all frames, then a layer of all cells; a logistic classifier of its state. Names are
those of the authors' graph.
"""

from __future__ import annotations

from typing import Any

from gapsack.models.blocks.common import SCOPE
from gapsack.models.kinds.recurrent import RecurrentKind


def _classified(states: Any) -> list[Any]:
    """The state of the top layer."""
    return [states[-1][0]]


FAMILY = RecurrentKind(
    name="gru_bidirect",
    cell="gru",
    root=f"{SCOPE}/rnn",
    classified=_classified,
    both_ways=f"{SCOPE}/bidirectional_rnn",
    classifier="logistic",
).family
