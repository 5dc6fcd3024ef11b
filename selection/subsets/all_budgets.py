"""Every budget of a space searched at once, with one memory of what was evaluated."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from gapsack.selection.blend.runner import Stopped
from gapsack.selection.report.frontier_record import rising
from gapsack.selection.subsets.board import Board
from gapsack.selection.subsets.enumeration import allowed_subsets
from gapsack.selection.subsets.find import blends_of, find_with
from gapsack.selection.subsets.layers import Layers
from gapsack.selection.subsets.preference import without_idle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gapsack.selection.blend.runner import Runner
    from gapsack.selection.subsets.board import Entry
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space, Subset

MOST_LISTED = 300_000  # ensembles whose squared errors are all computed
MOST_REFINED = 20_000  # ensembles up to which the largest budget between two points is searched by itself
MOST_SEARCHED = 300  # ensembles up to which every budget is searched by itself


def search_all_budgets(
    runner: Runner, options: Options, whole: Space, limited: Space
) -> tuple[Space, list[Entry], dict[str, Any]]:
    """The space of all budgets, everything in it that was scored, and what was done."""
    losses: dict[Subset, float] = {}
    counts: dict[str, Any] = {}
    layers: list[Layers] = []
    found: list[Entry] = []
    space = whole
    reason = ""
    try:
        listed = allowed_subsets(whole, MOST_LISTED, runner.check)
        if listed is None:
            # Then the budget asked for keeps the search smaller; else every budget is searched, whichever is asked for.
            space = limited
        counts["feasible"] = None if listed is None else len(listed) + 1
        for blend in blends_of(options):
            layers.append(Layers(Board(space, runner, blend, options.progress, losses=losses)))
            layers[-1].begin()
        subsets = layers[0].subsets(listed)
        counts["scored"] = len(subsets)
        few = listed is not None and len(listed) <= MOST_SEARCHED
        for each in layers:
            each.score(subsets)
        for each in layers:
            if not few:
                each.improve()
        if few:
            counts["budgets_searched"] = 0
            for room in sorted({space.room_bytes(subset) for subset in listed or ()}):
                runner.check()
                found += _searched_within(room, runner, options, whole, losses)
                counts["budgets_searched"] += 1
            runner.check()
            reason = (
                "Every budget at which a further ensemble fits was searched by itself, as select ensemble does: at "
                "none does that search find more."
            )
        elif listed is not None and len(listed) <= MOST_REFINED:
            found = [entry for each in layers for entry in each.entries()]
            counts["budgets_searched"] = _search_between(runner, options, whole, listed, found, losses=losses)
            reason = (
                "All ensembles were ranked by squared error, and the largest budget between each point and the next "
                "was searched as select ensemble does. A search for another budget may find more."
            )
        elif listed is not None:
            reason = (
                "All ensembles were ranked by squared error, and the best of every size scored. A search for one "
                "budget looks at more of that size, and may find more."
            )
        else:
            reason = (
                "No move from an ensemble of the best layers by squared error leads to a new one; there are too many "
                "to list, so a better one that no move led to cannot be excluded."
            )
    except Stopped:
        reason = "Stopped on request: these are the best found so far, and others may be better."
    if not layers:
        layers.append(Layers(Board(space, runner, blends_of(options)[0], options.progress, losses=losses)))
        layers[-1].begin()
    found += [entry for each in layers for entry in each.entries()]
    counts["squared_errors"] = len(losses)
    return space, found, {"evaluations": runner.evaluations, **counts, "stop_reason": reason}


def _search_between(
    runner: Runner,
    options: Options,
    whole: Space,
    listed: Sequence[Subset],
    found: list[Entry],
    *,
    losses: dict[Subset, float],
) -> int:
    """Search the largest budget below each point, and what is then the largest below each, until none is new.

    What is found joins ``found``. Returns how many budgets were searched; no budget is searched twice.
    """
    rooms = sorted({whole.room_bytes(subset) for subset in listed})
    done: set[int] = set()
    while True:
        points = rising(found, lambda entry: (whole.room_bytes(entry.subset), entry.score))
        starts = [whole.room_bytes(entry.subset) for entry in points[1:]]
        ends = [rooms[bisect_left(rooms, start) - 1] for start in starts] + rooms[-1:]
        fresh = [room for room in dict.fromkeys(ends) if room not in done]
        if not fresh:
            return len(done)
        for room in fresh:
            runner.check()
            done.add(room)
            found += _searched_within(room, runner, options, whole, losses)


def _searched_within(
    room: int, runner: Runner, options: Options, whole: Space, losses: dict[Subset, float]
) -> list[Entry]:
    """What the search for one budget delivers, and everything that it scored."""
    one = find_with(runner, whole.within(room), options, losses)
    return [without_idle(one.board, one.best), *one.entries()]
