"""Scores of ensembles on items that did not choose their weights, so that differences between them are paired.

With items held out, those score the weights that the others chose. Where folds report, the weights of each ensemble
are searched on all items but those of a fold, which they then score; its members are the ones that are asked about,
chosen on all items. That is what comparing two ensembles wants: both are wrong in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gapsack.selection.report.bootstrap import Sample, ScoredPart, blended, draws_for_an_error, sample_on
from gapsack.selection.report.splits import cross_folds, folds_for, split_videos
from gapsack.selection.subsets.board import Board
from gapsack.selection.subsets.find import runner_on
from gapsack.selection.subsets.rounds import searched_on
from gapsack.selection.subsets.subset_members import voters_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels
    from gapsack.selection.subsets.board import Entry
    from gapsack.selection.subsets.options import Options
    from gapsack.selection.subsets.space import Space

    Videos = NDArray[np.int64]


@dataclass(frozen=True)
class Reporting:
    """Items that report, and how ensembles are fitted without them.

    Attributes:
        labels: ground truth of the pool.
        space: whose items ensembles are of.
        objective: what is scored.
        options: the user's.
        groups: [items] of the pool, drawn whole in the bootstrap; None draws items.
    """

    labels: Labels
    space: Space
    objective: Objective
    options: Options
    groups: Videos | None = None

    @property
    def sentence(self) -> str:
        """Which items report, and on what; "" where none does."""
        folds = len(self._folds)
        if self.options.tune_share is not None:
            held_out = len(self._held_out)
            return f"on {held_out:,} items that were held out" if held_out else ""
        if not folds:
            return ""
        return f"on all {self.labels.video_count:,} items in {folds} folds, weights being searched without each in turn"

    def samples(self, entries: Sequence[Entry]) -> list[Sample | None]:
        """Each ensemble's score and its bootstrap, on the same draws; None for all where no item reports.

        May raise ``Stopped``.
        """
        if self.options.tune_share is not None:
            if not len(self._held_out):
                return [None] * len(entries)
            return [self._sample([ScoredPart(self._held_out, voters_of(self.space, entry))]) for entry in entries]
        parts: list[list[ScoredPart]] = [[] for _ in entries]
        for tune, report in self._folds:
            for own, entry in zip(parts, self._fitted(entries, tune), strict=True):
                own.append(ScoredPart(report, voters_of(self.space, entry)))
        return [self._sample(own) if own else None for own in parts]

    @property
    def _held_out(self) -> Videos:
        options = self.options
        return split_videos(self.labels.video_count, options.share_that_tunes, options.seed, 0, self.groups)[1]

    @property
    def _folds(self) -> list[tuple[Videos, Videos]]:
        options = self.options
        if options.tune_share is not None:
            return []
        wanted = options.folds or folds_for(self.labels.video_count)
        return cross_folds(self.labels, wanted, options.seed, self.groups) if wanted > 1 else []

    def _fitted(self, entries: Sequence[Entry], tune: Videos) -> list[Entry]:
        """The same members with weights that are searched on some items alone, from nothing that others chose."""
        found: list[Entry] = []
        with runner_on(
            self.labels, searched_on(tune, self.options), self.space, self.objective, self.options
        ) as runner:
            boards = {blend: Board(self.space, runner, blend) for blend in {entry.scored.blend for entry in entries}}
            for entry in entries:
                found += boards[entry.scored.blend].evaluate([entry.subset], "full")
        return found

    def _sample(self, parts: Sequence[ScoredPart]) -> Sample:
        groups = None if self.groups is None else self.groups[np.concatenate([part.videos for part in parts])]
        return sample_on(
            blended(self.labels, parts, self.objective),
            (1.0,),
            self.objective,
            resamples=draws_for_an_error(self.objective),
            seed=self.options.seed,
            groups=groups,
        )


PairedScores = Callable[[Sequence["Entry"]], "list[Sample | None]"]
"""``Reporting.samples``: from ensembles with weights to paired samples on items that did not choose these."""
