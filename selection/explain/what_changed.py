"""What a search that began from an earlier ensemble changed, and what that gained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapsack.selection.report.changes import Changes, Placed, Stayed
from gapsack.selection.report.difference import Difference
from gapsack.selection.subsets.board import Entry
from gapsack.selection.subsets.start import start_of
from gapsack.selection.subsets.subset_members import members_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gapsack.selection.explain.reporting import PairedScores
    from gapsack.selection.report.ensemble import Ensemble, EnsembleMember
    from gapsack.selection.subsets.board import Board
    from gapsack.selection.subsets.options import Options


def changes_from(earlier: Ensemble, chosen: Entry, board: Board, samples: PairedScores, options: Options) -> Changes:
    """Compare an ensemble with the one that its search began from.

    Args:
        earlier: where it began.
        chosen: the outcome.
        board: of the search, on the tuning items.
        samples: scores on items that report (``Reporting.samples``).
        options: the user's.

    May raise ``Stopped``.
    """
    before = {member.name: member for member in earlier.members}
    after = {member.name: member for member in members_of(board.space, chosen)}
    start = start_of(board.space, earlier)
    score, gained = None, None
    if start.complete:
        as_it_is = board.as_it_is(start.subset, start.weights, start.blend)
        score = as_it_is.score
        one, other = samples([chosen, as_it_is])
        gained = Difference.of(one, other)
    return Changes(
        joined=_placed(member for name, member in after.items() if name not in before),
        left=_placed(member for name, member in before.items() if name not in after),
        stayed=tuple(
            Stayed(name, before[name].precision, member.precision, before[name].weight, member.weight)
            for name, member in after.items()
            if name in before
        ),
        total_bytes_before=earlier.total_bytes,
        tuning_score_before=score,
        tuning_gain=None if score is None else chosen.score - score,
        held_out_gain=gained,
        notes=(*start.notes, *_seen_before(earlier, options)),
    )


def _placed(members: Iterable[EnsembleMember]) -> tuple[Placed, ...]:
    return tuple(Placed(each.name, each.precision, each.weight, each.size_bytes) for each in members)


def _seen_before(earlier: Ensemble, options: Options) -> tuple[str, ...]:
    """A sentence where the earlier ensemble was chosen on items that are held out from this search."""
    if options.tune_share is None or options.tune_share == 1.0:
        return ()
    share = earlier.tuning.get("share", (earlier.held_out or {}).get("tune_share"))
    if share == options.tune_share and earlier.seeds.get("seed") == options.seed:
        return ()
    return (
        "The earlier ensemble may have been chosen on the items that are held out here: figures on those, of it and "
        "of what the search found from it, may be too high.",
    )
