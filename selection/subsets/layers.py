"""The best layers of the trade-off between size and score, for all budgets at once.

Squared errors of subsets cost microseconds (``selection.blend.weights``), so the trade-off between size and squared
error comes first. Where the subsets can be listed, all of them take part; beyond, every subset in the best layers is
expanded once, by adding, dropping and exchanging members, until nothing in them is new (a Pareto local search; Paquete,
Chiarandini and Stuetzle, 2004). Those layers are scored on the metric, the best of them get line searches, the best of
those the full weight search, and what is then on the frontier gets the final one, until all that is on it had it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gapsack.selection.subsets.archive import Archive
from gapsack.selection.subsets.board import SHORT_LIST, Board, Entry
from gapsack.selection.subsets.preference import without_idle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gapsack.selection.blend.evaluate import Effort
    from gapsack.selection.subsets.space import Space, Subset

LOSS_LAYERS = 8  # layers by squared error that are scored on the metric
QUICK_LAYERS = 2  # layers by the metric that get line searches
FULL_LAYERS = 1  # and of those, the full weight search
BATCH = 32
LISTED_TOGETHER = 1000  # listed subsets between looks at whether to stop


class Layers:
    """The search on one board; what it found is ``entries()``, also after it was asked to stop."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._scored: dict[Subset, Entry] = {}

    def subsets(self, listed: Sequence[Subset] | None) -> list[Subset]:
        """The best layers by squared error, of listed subsets or by local search. May raise ``Stopped``."""
        archive = Archive(LOSS_LAYERS)
        seen: set[Subset] = set()

        def offer(subset: Subset) -> None:
            if subset not in seen:
                seen.add(subset)
                if len(seen) % BATCH == 0:
                    self.board.runner.check()
                archive.offer(subset, self.board.space.room_bytes(subset), -self.board.loss(subset))

        if listed is not None:
            for start in range(0, len(listed), LISTED_TOGETHER):
                self.board.tell("squared errors", start, len(listed))
                part = listed[start : start + LISTED_TOGETHER]
                self.board.losses_of(part, self.board.runner.check)
                for subset in part:
                    offer(subset)
            return archive.subsets
        self._local_search(archive, offer)
        return archive.subsets

    def _local_search(self, archive: Archive, offer: Callable[[Subset], None]) -> None:
        space = self.board.space
        offer(smallest(space))
        for number in range(len(space.items)):
            if space.is_allowed((number,)):
                offer((number,))
        expanded: set[Subset] = set()
        while fresh := [subset for subset in archive.subsets if subset not in expanded]:
            self.board.tell("squared errors", len(expanded), len(expanded) + len(fresh))
            for subset in fresh:
                expanded.add(subset)
                for neighbour in _moves(self.board, subset):
                    offer(neighbour)

    def score(self, subsets: Sequence[Subset]) -> None:
        """The metric at the weights of least squares. May raise ``Stopped``."""
        self._score(subsets, "cheap")

    def improve(self) -> None:
        """Better weights for the best of what was scored. May raise ``Stopped``."""
        self._score(self._layers(self.board.level("cheap").values(), QUICK_LAYERS), "quick")
        self._score(self._layers(self._scored.values(), FULL_LAYERS), "full")
        final = self.board.level("final")
        while fresh := [s for s in self._layers(self._scored.values(), 1) if s not in final and len(s) > 1]:
            for subset in fresh:
                if subset in self.board.level("full"):
                    self.board.add_start(subset, self.board.level("full")[subset].scored.weights)
            self._score(fresh, "final")

    def begin(self) -> None:
        """Score the smallest subset even when asked to stop, so that there is an entry."""
        self.board.evaluate_first(smallest(self.board.space))
        self._keep([self.board.best] if self.board.best is not None else [])

    def entries(self) -> list[Entry]:
        """The best entry of each subset, without members of weight zero."""
        return [without_idle(self.board, entry) for entry in self._scored.values()]

    def _score(self, subsets: Sequence[Subset], effort: Effort) -> None:
        for start in range(0, len(subsets), BATCH):
            self.board.tell(f"{effort} weights", start, len(subsets))
            self._keep(self.board.evaluate(subsets[start : start + BATCH], effort))

    def _keep(self, entries: Iterable[Entry]) -> None:
        for entry in filter(self.board.counts_for, entries):
            if entry.subset not in self._scored or entry.score > self._scored[entry.subset].score:
                self._scored[entry.subset] = entry

    def _layers(self, entries: Iterable[Entry], depth: int) -> list[Subset]:
        archive = Archive(depth)
        for entry in entries:
            archive.offer(entry.subset, self.board.space.room_bytes(entry.subset), entry.score)
        return archive.subsets


def smallest(space: Space) -> Subset:
    """The smallest allowed subset."""
    if space.required:
        return space.smallest_required
    fitting = [number for number in range(len(space.items)) if space.fits((number,))]
    return (min(fitting, key=lambda number: space.items[number].room_bytes),)


def _moves(board: Board, subset: Subset) -> Iterator[Subset]:
    """Every allowed subset that adding, dropping or exchanging one member leads to; of very many, the promising."""
    space = board.space
    for number in board.joining(subset, space.additions(subset), SHORT_LIST):
        yield tuple(sorted((*subset, number)))
    for dropped in subset:
        rest = tuple(number for number in subset if number != dropped)
        if space.is_allowed(rest):
            yield rest
        for number in board.joining(rest, space.additions(rest), SHORT_LIST):
            moved = tuple(sorted((*rest, number)))
            if number != dropped and space.is_allowed(moved):
                yield moved
