"""What a MiB is worth: the best ensembles that are known for a little less, and a little more, than the budget.

A frontier searches every budget. Here two short searches do, each from what the search for the budget itself found:
filled or thinned out by squared error to the other budget, then the neighbours of that, of which the best get the
weight searches of a search's last rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.errors import BudgetError
from gapsack.selection.report.explanation import AtBudget, Price
from gapsack.selection.subsets.board import Board
from gapsack.selection.subsets.greedy import by_loss
from gapsack.selection.subsets.local import neighbours
from gapsack.selection.units import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapsack.selection.subsets.board import Entry
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space, Subset

STEP = 10  # a budget's tenth is what "a little" is
QUICK, FULL, FINAL = 8, 3, 1  # ensembles of a short search that get each effort


def price_of_a_mib(boards: Sequence[Board], near: Sequence[Entry], budget_bytes: int, options: Options) -> Price:
    """The price around a budget.

    Args:
        boards: of the search and of what was looked at since, on the tuning items; the first is of the ensemble.
        near: the ensemble, then others that were looked at.
        budget_bytes: the budget, the reserve included.
        options: the user's.

    May raise ``Stopped``.
    """
    board = boards[0]
    step = max(budget_bytes // STEP, 1)
    known = [entry for each in boards for entry in each.entries()]
    known += [each.best for each in boards if each.best is not None]
    known += [entry for entry in near if board.counts_for(entry)]
    best = board.ranked(known)[0]
    found: dict[int, list[Entry]] = {}
    for way, budget in enumerate((budget_bytes - step, budget_bytes + step)):
        try:
            space = board.space.within(board.space.constraints.room_bytes + budget - budget_bytes)
        except BudgetError:
            continue  # nothing fits
        board.tell("what a MiB is worth", way, 2)
        found[budget] = _short_search(board, space, [near[0], best], known, options)
    searched = {id(entry) for entries in found.values() for entry in entries}
    # What is found for one budget fits every larger one.
    everything = [*known, *(entry for entries in found.values() for entry in entries)]

    def at(budget: int) -> AtBudget | None:
        room = board.space.constraints.room_bytes + budget - budget_bytes
        fitting = [entry for entry in everything if board.space.room_bytes(entry.subset) <= room]
        if not fitting:
            return None
        first = board.ranked(fitting)[0]
        items = [board.space.items[number] for number in first.subset]
        return AtBudget(
            budget_bytes=budget,
            total_bytes=board.space.size_bytes(first.subset),
            members=tuple(f"{item.name} {item.precision}" for item in items),
            tuning_score=first.score,
            found_by="a short search for this budget" if id(first) in searched else "this search",
        )

    less, here, more = at(budget_bytes - step), at(budget_bytes), at(budget_bytes + step)
    assert here is not None
    assert more is not None
    a_mib = step / MIB
    return Price(
        here=here,
        less=less,
        more=more,
        lost_per_mib=None if less is None else (here.tuning_score - less.tuning_score) / a_mib,
        gained_per_mib=(more.tuning_score - here.tuning_score) / a_mib,
    )


def _short_search(
    board: Board, space: Space, origins: Sequence[Entry], known: Sequence[Entry], options: Options
) -> list[Entry]:
    """Ensembles that keep another budget: the best known ones, and what a few moves from the origins lead to."""
    other = Board(space, board.runner, board.blend, losses=board.losses)
    rng = np.random.default_rng([options.seed, 4])
    subsets: dict[Subset, None] = {}
    for origin in origins:
        begun = by_loss(other, _thinned(other, origin.subset))
        for subset in (begun, *neighbours(other, begun, rng)):
            subsets[subset] = None
    allowed = [subset for subset in subsets if space.is_allowed(subset)]
    fitting = board.ranked(entry for entry in known if space.is_allowed(entry.subset) and _is_searched(board, entry))
    for entry in fitting[:QUICK]:
        other.add_start(entry.subset, entry.scored.weights)
    ranked = board.ranked(other.evaluate(allowed, "cheap"))
    quick = list(dict.fromkeys(entry.subset for entry in (*ranked[:QUICK], *fitting[:QUICK])))
    full = other.ranked(other.evaluate(quick, "quick"))
    final = other.ranked(other.evaluate([entry.subset for entry in full[:FULL]], "full"))
    for entry in final[:FINAL]:
        other.add_start(entry.subset, entry.scored.weights)
        other.evaluate([entry.subset], "final")
    return list(other.entries())


def _thinned(board: Board, subset: Subset) -> Subset:
    """A subset that keeps the board's budget: of one that does not, members leave that are missed least."""
    space = board.space
    while not space.is_allowed(subset):
        rests = [subset[:place] + subset[place + 1 :] for place in range(len(subset))]
        rests = [r for r in rests if r and space.required <= {space.items[number].candidate for number in r}]
        if not rests:
            return space.smallest_required
        subset = min(rests, key=lambda rest: (board.loss(rest), rest))
    return subset


def _is_searched(board: Board, entry: Entry) -> bool:
    """Whether an entry is of the board's blend, in which its weights can begin a search."""
    return entry.scored.blend == board.blend
