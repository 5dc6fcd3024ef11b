"""Greedy selection under the budget: starts for the searches, and what they must never fall behind.

Caruana et al. ("Ensemble selection from libraries of models", 2004) add, with replacement, the model that helps the
plain average most. Here only what still fits may join; once nothing new fits, weights are the polish's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from gapsack.selection.blend.evaluate import BlendTask
from gapsack.selection.blend.weights import MANY

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.subsets.board import Board
    from gapsack.selection.subsets.space import Subset

GreedyRule = Literal["score", "rate"]
MAX_ROUNDS: dict[GreedyRule, int] = {"score": 100, "rate": 40}  # as many as the libraries that select so have at most
PATIENCE: dict[GreedyRule, int] = {"score": 20, "rate": 1}  # rounds without a gain that end it where nothing may join
TIE_DECIMALS = 6  # to which scores that decide who joins are rounded: of equal ones a member gets a further vote
MAX_CHOICES = 40  # joiners that a round scores in a large pool: those of the lowest squared error


def greedy(board: Board, rule: GreedyRule) -> Subset:
    """Greedy selection with replacement; the subset found, its average weights kept as a start on the board.

    Args:
        board: evaluates, and keeps the best.
        rule: as of `greedy_votes`.
    """
    subset, start = greedy_votes(board, rule)
    board.add_start(subset, start)
    board.evaluate_at([(subset, start)])
    return subset


def greedy_votes(
    board: Board, rule: GreedyRule, blend: Blend = "probability", among: Container[int] | None = None
) -> tuple[Subset, tuple[float, ...]]:
    """What greedy selection with replacement takes, and the weights by its votes.

    Nothing of it counts for the board, and what the board's runner knows is not evaluated again.

    Args:
        board: evaluates.
        rule: "score": the highest score joins. "rate": the highest gain a byte joins, members again being free.
        blend: of what is scored, whatever the board's.
        among: the items that may join; None for all.

    Raises:
        Stopped: the search was asked to stop.
    """
    space = board.space
    votes: dict[int, int] = dict.fromkeys(space.smallest_required, 1)
    best, best_votes, best_round = -np.inf, votes, 0
    for round_index in range(MAX_ROUNDS[rule]):
        members = tuple(sorted(votes))
        may_join = [each for each in space.additions(members) if among is None or each in among]
        joiners = sorted(board.joining(members, may_join, MAX_CHOICES))
        choices = [*members, *joiners]
        if not choices:
            break
        tasks = [_task(board, _voted(votes, choice), blend) for choice in choices]
        scores = [scored.score for scored in board.runner.map(tasks)]
        values = [round(score, TIE_DECIMALS) for score in scores]  # members come first among the choices
        if rule == "rate" and round_index > 0:
            values = [
                (score - best) / (1 if number in votes else max(space.added_bytes(members, number), 1))
                for score, number in zip(scores, choices, strict=True)
            ]
        place = int(np.argmax(values))
        votes = _voted(votes, choices[place])
        if scores[place] > best:
            best, best_votes, best_round = scores[place], votes, round_index
        elif not joiners and round_index - best_round >= PATIENCE[rule]:
            break
    subset = tuple(sorted(best_votes))
    total = sum(best_votes.values())
    return subset, tuple(best_votes[number] / total for number in subset)


def by_loss(board: Board, subset: Subset) -> Subset:
    """Fill a subset until nothing more fits, each time with what lowers the squared error most."""
    while joiners := board.space.additions(subset):
        if len(subset) >= MANY:
            return _filled(board, subset, board.guessed(subset, joiners))
        subset = tuple(sorted((*subset, *board.joining(subset, joiners, 1))))
    return subset


def _filled(board: Board, subset: Subset, order: Sequence[int]) -> Subset:
    """A subset of very many members filled in some order with what fits: the weights that most of them get is none."""
    for number in order:
        joined = tuple(sorted((*subset, number)))
        if board.space.is_allowed(joined):
            subset = joined
    return subset


def at_random(board: Board, rng: np.random.Generator) -> Subset:
    """A random maximal subset that holds what must be there."""
    space = board.space
    subset = space.smallest_required
    while True:
        joiners = space.additions(subset)
        if not joiners:
            return subset
        subset = tuple(sorted((*subset, int(rng.choice(joiners)))))


def _voted(votes: dict[int, int], number: int) -> dict[int, int]:
    return {**votes, number: votes.get(number, 0) + 1}


def _task(board: Board, votes: dict[int, int], blend: Blend) -> BlendTask:
    subset = tuple(sorted(votes))
    total = sum(votes.values())
    return BlendTask(board.space.columns_of(subset), "fixed", blend, (tuple(votes[n] / total for n in subset),))
