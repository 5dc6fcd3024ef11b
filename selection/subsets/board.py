"""What a search knows so far: the score of every subset that it evaluated, at each level of effort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.blend.evaluate import BlendTask, Effort, Scored
from gapsack.selection.blend.runner import SearchProgress
from gapsack.selection.blend.weights import on_simplex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gapsack.selection.blend.evaluate import Blend
    from gapsack.selection.blend.runner import Runner
    from gapsack.selection.subsets.space import Space, Subset


SOLVED_PRODUCTS = 1 << 21  # inner products of the subsets whose least squares are solved at once; bounds memory
SHORT_LIST = 64  # items whose squared error with a subset is computed where more could join


@dataclass(frozen=True)
class Entry:
    """A subset with the weights found for it; higher scores are better."""

    subset: Subset
    scored: Scored

    @property
    def score(self) -> float:
        """Score on the tuning items."""
        return self.scored.score

    def weights_without(self, rest: Subset) -> list[tuple[float, ...]]:
        """Weights for some of the members: in the old proportions, and with what is free given to each one in turn."""
        weights = dict(zip(self.subset, self.scored.weights, strict=True))
        kept = np.array([weights[number] for number in rest])
        handed = kept + (1.0 - kept.sum()) * np.eye(len(rest))
        return [tuple(float(weight) for weight in on_simplex(each)) for each in (kept, *handed)]


@dataclass
class Board:
    """Evaluates subsets once each for one kind of blend, remembers what came out, and keeps the best.

    Cheap weights are those of the probability blend in any case, as a prediction: what is of another blend than the
    board's is never the best, unless it has one member and is the same in both.

    Attributes:
        space: the subsets.
        runner: what evaluates.
        blend: of the ensembles that count.
        report: called after each batch.
        levels: results by effort and subset.
        best: the best so far of any effort.
        losses: squared errors by subset.
        starts: weights to start a full search of a subset from, by subset, in the order of its items.
    """

    space: Space
    runner: Runner
    blend: Blend = "probability"
    report: Callable[[SearchProgress], None] | None = None
    levels: dict[Effort, dict[Subset, Entry]] = field(default_factory=dict)
    best: Entry | None = None
    losses: dict[Subset, float] = field(default_factory=dict)
    starts: dict[Subset, tuple[tuple[float, ...], ...]] = field(default_factory=dict)

    def level(self, effort: Effort) -> dict[Subset, Entry]:
        """Everything known at a level of effort."""
        return self.levels.setdefault(effort, {})

    def evaluate(self, subsets: Sequence[Subset], effort: Effort) -> list[Entry]:
        """The entries of subsets, evaluating those that are new."""
        known = self.level(effort)
        fresh = [subset for subset in dict.fromkeys(subsets) if subset not in known]
        if fresh:
            tasks = [
                BlendTask(
                    self.space.columns_of(subset),
                    effort,
                    self._blend_of(subset, effort),
                    self.starts.get(subset, ()) if effort in {"full", "final"} else (),
                )
                for subset in fresh
            ]
            for subset, scored in zip(fresh, self.runner.map(tasks), strict=True):
                known[subset] = Entry(subset, scored)
                self.consider(known[subset])
        return [known[subset] for subset in subsets]

    def _blend_of(self, subset: Subset, effort: Effort) -> Blend:
        return "probability" if effort == "cheap" and len(subset) > 1 else self.blend

    def evaluate_at(self, points: Sequence[tuple[Subset, tuple[float, ...]]]) -> list[Entry]:
        """Entries of subsets at given weights."""
        tasks = [
            BlendTask(self.space.columns_of(subset), "fixed", self.blend, (weights,)) for subset, weights in points
        ]
        scored = self.runner.map(tasks)
        entries = [Entry(subset, each) for (subset, _), each in zip(points, scored, strict=True)]
        for entry in entries:
            self.consider(entry)
        return entries

    def as_it_is(self, subset: Subset, weights: tuple[float, ...], blend: Blend) -> Entry:
        """A subset at these weights in a blend of its own, even when asked to stop; it does not count for the board."""
        task = BlendTask(self.space.columns_of(subset), "fixed", blend, (weights,))
        return Entry(subset, self.runner.evaluator(task))

    def evaluate_first(self, subset: Subset) -> None:
        """Evaluate one subset with least-squares weights even when asked to stop, so that there is a best."""
        columns = self.space.columns_of(subset)
        entry = Entry(subset, self.runner.evaluator(BlendTask(columns, "cheap", self.blend)))
        if self.blend == self._blend_of(subset, "cheap"):
            self.level("cheap")[subset] = entry
        self.consider(entry)

    def add_start(self, subset: Subset, weights: tuple[float, ...]) -> None:
        """Let later weight searches of a subset start from some weights too."""
        known = self.starts.get(subset, ())
        if weights not in known:
            self.starts[subset] = (*known, weights)

    def loss(self, subset: Subset) -> float:
        """Squared error that the best least-squares weights of a subset leave, an item; less a common constant."""
        return self.losses_of([subset])[0]

    def losses_of(self, subsets: Sequence[Subset], check: Callable[[], None] = lambda: None) -> list[float]:
        """``loss`` of each of some subsets, in less time; ``check`` is called now and then, and may raise."""
        fresh: dict[int, list[Subset]] = {}
        for subset in dict.fromkeys(subsets):
            if subset not in self.losses:
                fresh.setdefault(len(subset), []).append(subset)
        for members, alike in fresh.items():
            together = max(SOLVED_PRODUCTS // members**2, 1)
            for start in range(0, len(alike), together):
                check()
                part = alike[start : start + together]
                columns = np.array([self.space.columns_of(subset) for subset in part], np.int64)
                errors = self.runner.evaluator.products.least_squares_of(columns)[1]
                self.losses.update(zip(part, errors.tolist(), strict=True))
        return [self.losses[subset] for subset in subsets]

    def joining(self, subset: Subset, numbers: Sequence[int], most: int) -> list[int]:
        """Up to ``most`` of some items that could join a subset: those of least squared error with it, best first.

        Of very many items those are looked at that a guess (``Products.promising``) finds best.
        """
        looked_at = list(numbers)
        if subset and len(looked_at) > SHORT_LIST:
            looked_at = self.guessed(subset, looked_at)[:SHORT_LIST]
        losses = self.losses_of([tuple(sorted((*subset, number))) for number in looked_at])
        order = np.argsort(losses, kind="stable")[:most]
        return [looked_at[place] for place in order]

    def guessed(self, subset: Subset, numbers: Sequence[int]) -> list[int]:
        """Items in order of a guess of how much each lowers the squared error of a subset (``Products.promising``)."""
        products = self.runner.evaluator.products
        columns = np.array(self.space.columns_of(subset), np.int64)
        others = np.array([self.space.items[number].column for number in numbers], np.int64)
        falls = products.promising(columns, products.least_squares(columns)[0], others)
        return [numbers[place] for place in np.argsort(-falls, kind="stable")]

    def counts(self) -> dict[str, int]:
        """Allowed subsets evaluated at each level of effort."""
        return {effort: sum(map(self.space.is_allowed, entries)) for effort, entries in self.levels.items()}

    def counts_for(self, entry: Entry) -> bool:
        """Whether an entry is an ensemble that the search may return."""
        return entry.scored.blend == self.blend and self.space.is_allowed(entry.subset)

    def entries(self) -> Iterator[Entry]:
        """Everything that was scored and may be returned."""
        for level in self.levels.values():
            yield from filter(self.counts_for, level.values())

    def consider(self, entry: Entry) -> None:
        """Keep an entry that counts when it is the best; of equal ones the smaller, then the first."""
        if self.counts_for(entry) and (self.best is None or self.rank(entry) < self.rank(self.best)):
            self.best = entry

    def rank(self, entry: Entry) -> tuple[float, int, Subset]:
        """Sort key, best first."""
        return (-entry.score, self.space.size_bytes(entry.subset), entry.subset)

    def ranked(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries, best first."""
        return sorted(entries, key=self.rank)

    def tell(self, stage: str, done: int, total: int) -> None:
        """Report progress with the best so far."""
        if self.report is None:
            return
        if self.best is None:
            self.report(SearchProgress(stage, done, total))
            return
        members = tuple(self.space.items[number].name for number in self.best.subset)
        size_bytes = self.space.size_bytes(self.best.subset)
        self.report(SearchProgress(stage, done, total, self.best.score, members, size_bytes))
