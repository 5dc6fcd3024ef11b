"""The race: every subset takes part with cheap weights, few get costly ones.

1. Every subset: the squared error that its best least-squares weights leave, from inner products, on all items.
   (GAP on a thousand items costs ten thousand times more and orders the subsets of the twin less well: correlation
   with the GAP on all items 0.41 against 0.75.)
2. In order of what that loss predicts: the metric at those weights.
3. In order of that: weights improved by a few line searches.
4. In order of that: line searches from more starts, and a search by small transfers between members.
5. In order of that: the finest such search, from every start.

Rounds 2 to 5 share one rule, a rule of thumb. A subset's score in a round is its prediction from the round before plus
a gain. Subsets are taken in order of the prediction; the round ends when all others would have to gain more than any
subset gained so far to beat the best. What a round leaves out could have won only by gaining more than everything that
was tried, which makes it unlikely and proves nothing (what is proved: ``selection.blend.bound``). A round that its cap
or a request to stop cuts short counts the subsets for which the rule was not yet met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.runner import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from gapsack.selection.blend.evaluate import Effort
    from gapsack.selection.subsets.board import Board, Entry
    from gapsack.selection.subsets.space import Subset

    Floats = NDArray[np.float64]
    Places = NDArray[np.int64]


@dataclass(frozen=True)
class Round:
    """How a round proceeds: in batches of ``batch`` subsets, at least ``least`` and at most ``most`` of them."""

    effort: Effort
    stage: str
    batch: int
    least: int
    most: int


CHEAP = Round("cheap", "least-squares weights", batch=64, least=256, most=6000)
QUICK = Round("quick", "line searches", batch=8, least=24, most=240)
FULL = Round("full", "weight search on the best", batch=4, least=8, most=40)
FINAL = Round("final", "fine weight search on the very best", batch=2, least=2, most=8)
SPREAD = 32  # subsets over the whole range of losses, which show what a loss predicts


@dataclass
class Tally:
    """Subsets that the rounds of a race left out though the rule of thumb did not rule them out."""

    open: int = 0


def race(
    board: Board,
    subsets: Sequence[Subset],
    *,
    exhaustive: bool = False,
    keep: Sequence[Subset] = (),
    tally: Tally,
) -> None:
    """Run the race; its outcome is on the board.

    Args:
        board: where scores are kept; what it knows already costs nothing.
        subsets: who takes part.
        exhaustive: take every subset through every round.
        keep: subsets that reach round 4 in any case.
        tally: counts what happens; what an earlier race left open is counted anew.

    Raises:
        Stopped: asked to stop; what was found so far is on the board.
    """
    tally.open = 0
    losses = np.array(board.losses_of(subsets, board.runner.check))
    order = np.argsort(losses, kind="stable")
    spread = order[np.unique(np.linspace(0, len(order) - 1, min(SPREAD, len(order))).astype(int))]
    queue = np.concatenate([spread, order[~np.isin(order, spread)]])
    laps = _Laps(board, exhaustive, tally)
    cheap = laps.run(CHEAP, subsets, queue=queue, predict=lambda scores: _fitted(losses, scores))
    quick = laps.again(QUICK, cheap)
    # What round 4 evaluates in any case goes to the workers together.
    board.evaluate([*(entry.subset for entry in quick[: FULL.least]), *keep], "full")
    laps.again(FULL, quick)
    full = board.ranked(board.level("full").values())
    for entry in full[: FINAL.most]:
        board.add_start(entry.subset, entry.scored.weights)
    laps.again(FINAL, full)


def _fitted(losses: Floats, scores: Floats) -> Floats:
    """What the losses predict, by the straight line through the scores known so far (NaN: not known)."""
    known = ~np.isnan(scores)
    centred = losses - losses[known].mean()
    spread = float((centred[known] ** 2).sum())
    slope = float((centred[known] * scores[known]).sum()) / spread if spread > 0 else 0.0
    return np.asarray(scores[known].mean() + slope * centred)


@dataclass(frozen=True)
class _Laps:
    """Runs rounds by the rule of the module, and keeps the tally."""

    board: Board
    exhaustive: bool
    tally: Tally

    def again(self, rnd: Round, entries: list[Entry]) -> list[Entry]:
        """A round among the entries of the one before, whose scores are the predictions."""
        scores = np.array([entry.score for entry in entries])
        subsets = [entry.subset for entry in entries]
        return self.run(rnd, subsets, queue=np.arange(len(entries)), predict=lambda _: scores)

    def run(
        self,
        rnd: Round,
        subsets: Sequence[Subset],
        *,
        queue: Places,
        predict: Callable[[Floats], Floats],
    ) -> list[Entry]:
        """One round; returns the evaluated entries, best first.

        Args:
            rnd: effort, batches and caps.
            subsets: who takes part.
            queue: their places, in the order in which they are taken.
            predict: predictions of all subsets, given the scores of this round so far (NaN: not known).
        """
        scores = np.full(len(subsets), np.nan)
        entries: list[Entry] = []
        while len(entries) < len(queue):
            self.board.tell(rnd.stage, len(entries), len(queue))
            # The first of a round are evaluated in any case, so all of them at once.
            batch = queue[len(entries) : max(rnd.least, len(entries) + rnd.batch)]
            try:
                found = self.board.evaluate([subsets[place] for place in batch], rnd.effort)
            except Stopped:
                self.tally.open += len(queue) - len(entries)
                raise
            entries += found
            scores[batch] = [entry.score for entry in found]
            if self.exhaustive or len(entries) < rnd.least:
                continue
            not_ruled_out = self._not_ruled_out(predict(scores), scores, queue[len(entries) :])
            if not_ruled_out == 0 or len(entries) >= rnd.most:
                self.tally.open += not_ruled_out
                break
        return self.board.ranked(entries)

    @staticmethod
    def _not_ruled_out(predictions: Floats, scores: Floats, left: Places) -> int:
        """How many of those left beat the best if they gain as much on their prediction as any subset did so far."""
        largest_gain = float(np.nanmax(scores - predictions))
        return int((predictions[left] + largest_gain >= np.nanmax(scores)).sum())
