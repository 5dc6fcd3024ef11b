"""The search for the best ensemble under a size budget, with an honest report of how good it is.

Members and weights are chosen on one part of the videos and scored on the rest. ``selection.subsets.race`` says how the
choice is made, ``selection.report.certify`` what cut lists prove, ``selection.report.bootstrap`` how sure the
held-out figures are.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.errors import BudgetError
from gapsack.selection.metrics.objectives import DEFAULT_K, Gap, Objective, objective_of
from gapsack.selection.report.bootstrap import Sample, Voters, bootstrap
from gapsack.selection.report.certify import certify
from gapsack.selection.report.ensemble import Ensemble, Member
from gapsack.selection.subsets.find import Found, find
from gapsack.selection.subsets.options import Options
from gapsack.selection.subsets.preference import preferred, stripped
from gapsack.selection.subsets.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gapsack.selection.pool import CandidatePool
    from gapsack.selection.subsets.board import Entry

    Videos = NDArray[np.int64]

SHOWN_OPEN_VIDEOS = 20


def search_ensemble(pool: CandidatePool, *, budget_bytes: int, **options: Any) -> Ensemble:
    """Find the best ensemble of a pool whose members fit a budget.

    Args:
        pool: candidates and ground truth.
        budget_bytes: the most that the members and ``reserve_bytes`` may take together.
        options: see ``selection.subsets.options.Options``.

    Returns:
        The best ensemble found; ``search["stop_reason"]`` says what that is worth.

    Raises:
        BudgetError: nothing fits.
        InputError: an option outside its range, or a constraint that names no candidate.
    """
    checked = Options(**options)
    if not isinstance(budget_bytes, int | np.integer) or budget_bytes <= 0:
        raise BudgetError(f"the budget must be a positive whole number of bytes; got {budget_bytes!r}.")
    return _Report(pool, int(budget_bytes), checked).ensemble()


def split_videos(count: int, tune_share: float, seed: int, fold: int = 0) -> tuple[Videos, Videos]:
    """Rows to tune on and rows to report on, both in random order. Fold 0 is the split of the seed itself."""
    order = np.random.default_rng([seed, 0, fold]).permutation(count)
    tuned = count if tune_share == 1.0 else min(max(round(count * tune_share), 1), max(count - 1, 1))
    return order[:tuned], order[tuned:]


class _Report:
    """Searches, then scores what was found in every way that the ensemble reports."""

    def __init__(self, pool: CandidatePool, budget_bytes: int, options: Options) -> None:
        self.pool = pool
        self.budget_bytes = budget_bytes
        self.options = options
        self.objective: Objective = objective_of(options.metric)
        self.gap = self.objective if isinstance(self.objective, Gap) else Gap(DEFAULT_K)
        self.space = Space(pool, options.precisions, options.constraints(budget_bytes))

    def ensemble(self) -> Ensemble:
        """Search and report."""
        tune, report = split_videos(self.pool.labels.video_count, self.options.tune_share, self.options.seed)
        found = find(self.pool.labels, tune, self.space, self.objective, self.options)
        chosen, preference = preferred(found, self.pool.labels, tune, self.objective, self.options)
        single, runner_up = self._best_single(found), self._runner_up(found, chosen)
        samples = self._held_out_samples([chosen, single, runner_up], report)
        voters = self.voters(chosen)
        proof = certify(self.pool.labels, voters.members, voters.weights, blend=voters.blend, k=self.gap.k)
        return Ensemble(
            members=self.members(chosen),
            blend=chosen.scored.blend,
            total_bytes=self.space.size_bytes(chosen.subset),
            reserve_bytes=self.options.reserve_bytes + len(chosen.subset) * self.options.member_reserve_bytes,
            budget_bytes=self.budget_bytes,
            metric=self.objective.name,
            score=self._score(chosen, np.arange(self.pool.labels.video_count), self.objective),
            tuning_score=chosen.score,
            gap=proof.gap,
            tuning_gap=self._score(chosen, tune, self.gap),
            gap_interval=(proof.low, proof.high),
            open_videos={"count": len(proof.open_videos), "ids": list(proof.open_videos[:SHOWN_OPEN_VIDEOS])},
            held_out=self._held_out(chosen, samples.get(chosen.subset), report),
            best_single=self._described(single, samples),
            runner_up=self._described(runner_up, samples),
            difference_to_best_single=self._difference(chosen, single, samples),
            difference_to_runner_up=self._difference(chosen, runner_up, samples),
            preference=preference,
            search=found.summary,
            seeds={"seed": self.options.seed},
            versions=_versions(),
        )

    def voters(self, entry: Entry) -> Voters:
        """Predictions and weights of an entry; what has no weight is not a member."""
        pairs = [
            (self.space.columns[self.space.items[number].column], weight)
            for number, weight in zip(entry.subset, entry.scored.weights, strict=True)
        ]
        return Voters(tuple(lists for lists, _ in pairs), tuple(weight for _, weight in pairs), entry.scored.blend)

    def members(self, entry: Entry) -> tuple[Member, ...]:
        """Members of an entry, heaviest weight first."""
        members = [
            Member(self.space.items[n].name, self.space.items[n].precision, weight, self.space.items[n].size_bytes)
            for n, weight in zip(entry.subset, entry.scored.weights, strict=True)
        ]
        return tuple(sorted(members, key=lambda m: (-m.weight, m.name)))

    def _score(self, entry: Entry, videos: Videos, objective: Objective) -> float:
        voters = self.voters(entry)
        rows = voters.rows(self.pool.labels, videos, objective)
        return objective.score(rows, np.arange(rows.column_count), np.array(voters.weights))

    def _best_single(self, found: Found) -> Entry | None:
        singles = [entry for subset, entry in found.board.level("cheap").items() if len(subset) == 1]
        fitting = [entry for entry in singles if self.space.fits(entry.subset)]
        return found.board.ranked(fitting)[0] if fitting else None

    def _runner_up(self, found: Found, chosen: Entry) -> Entry | None:
        """The best-scored other set of candidates: other precisions or members without weight make no other set."""
        mine = self._weighty(chosen)
        others = [
            entry
            for level in found.board.levels.values()
            for entry in level.values()
            if entry.subset != chosen.subset and self.space.is_allowed(entry.subset) and self._weighty(entry) != mine
        ]
        return found.board.ranked(others)[0] if others else None

    def _weighty(self, entry: Entry) -> frozenset[int]:
        pairs = zip(entry.subset, entry.scored.weights, strict=True)
        return frozenset(self.space.items[number].candidate for number, weight in pairs if weight > 0.0)

    def _held_out_samples(self, entries: list[Entry | None], report: Videos) -> dict[tuple[int, ...], Sample]:
        """Bootstrap samples on the held-out videos, by subset; empty without such videos."""
        present = list({entry.subset: entry for entry in entries if entry is not None}.values())
        if len(report) == 0:
            return {}
        samples = bootstrap(
            [self.voters(entry) for entry in present],
            self.pool.labels,
            report,
            self.objective,
            resamples=self.options.resamples,
            seed=self.options.seed,
        )
        return {entry.subset: sample for entry, sample in zip(present, samples, strict=True)}

    def _held_out(self, chosen: Entry, sample: Sample | None, report: Videos) -> dict[str, Any] | None:
        if sample is None:
            return None
        low, high = sample.interval(self.options.confidence)
        folds = [self._fold(fold) for fold in range(1, self.options.folds)]
        return {
            "gap": self._score(chosen, report, self.gap),
            "score": sample.score,
            "interval": [low, high],
            "confidence": self.options.confidence,
            "standard_error": sample.standard_error,
            "resamples": len(sample.draws),
            "videos": len(report),
            "tune_share": self.options.tune_share,
            "folds": folds,
        }

    def _fold(self, fold: int) -> dict[str, Any]:
        """The whole search again on another split, and its score on that split's held-out videos."""
        labels = self.pool.labels
        tune, report = split_videos(labels.video_count, self.options.tune_share, self.options.seed, fold)
        best = stripped(find(labels, tune, self.space, self.objective, self.options))
        return {
            "members": [member.name for member in self.members(best)],
            "tuning_score": best.score,
            "score": self._score(best, report, self.objective),
            "videos": len(report),
        }

    def _described(self, entry: Entry | None, samples: dict[tuple[int, ...], Sample]) -> dict[str, Any] | None:
        if entry is None:
            return None
        everything = np.arange(self.pool.labels.video_count)
        sample = samples.get(entry.subset)
        record: dict[str, Any] = {
            "size_bytes": self.space.size_bytes(entry.subset),
            "gap": self._score(entry, everything, self.gap),
            "tuning_score": entry.score,
            "held_out_score": None if sample is None else sample.score,
        }
        if isinstance(self.objective, Gap):
            record["held_out_gap"] = record["held_out_score"]
        if len(entry.subset) == 1:
            item = self.space.items[entry.subset[0]]
            return {"name": item.name, "precision": item.precision, **record}
        members = [vars(member) for member in self.members(entry) if member.weight > 0.0]
        return {"members": members, "blend": entry.scored.blend, **record}

    def _difference(
        self, chosen: Entry, other: Entry | None, samples: dict[tuple[int, ...], Sample]
    ) -> dict[str, Any] | None:
        """Held-out score of the chosen one less the other's, on the same bootstrap draws."""
        if other is None or chosen.subset not in samples:
            return None
        difference = samples[chosen.subset].minus(samples[other.subset])
        low, high = difference.interval(self.options.confidence)
        return {
            "difference": difference.score,
            "interval": [low, high],
            "standard_error": difference.standard_error,
            "within_noise": low <= 0.0 <= high,
        }


def _versions() -> dict[str, str]:
    found = {}
    for package in ("gapsack", "numpy", "scipy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # used from a source tree that is not installed
            found[package] = "not installed"
    return found
