"""The record of a search: its ensemble, scored in every way that is reported, beside the best single and the runner-up.

Scores on the tuning items are those on which members and weights were chosen. The others are of items that report and
took no part in the choice: those that were held out, or all of them in folds, each scored by what the whole search
chose on the other folds. They are told with bootstrap intervals, and differences by the same draws for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gapsack.selection.decimals import bound_text, floor_text
from gapsack.selection.errors import UndefinedMetricError
from gapsack.selection.metrics.objectives import DEFAULT_K, Gap
from gapsack.selection.metrics.weighting import is_weighted
from gapsack.selection.pool.weighted_labels import weighting_of
from gapsack.selection.report.bootstrap import Sample, ScoredPart, Voters, blended, sample_on
from gapsack.selection.report.certify import Certificate, certify_parts
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember, reported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels

    Videos = NDArray[np.int64]
    Role = Literal["chosen", "best_single", "runner_up", "equal_weights", "greedy"]

SHOWN_OPEN_VIDEOS = 20
CHOICE_COUNTS = 2.0
BAGGED_CHOICE_COUNTS = 4.0
"""Of what bagging chose: with the other count, differences were held too seldom (``benchmarks.coverage``)."""
ROLES: tuple[Role, ...] = ("chosen", "best_single", "runner_up", "equal_weights", "greedy")
UNPROVED = (
    "Items or classes have weights: they count so in every figure, and the certain interval, which is proved of GAP "
    "without weights, is left out."
)


@dataclass(frozen=True)
class Contender:
    """An ensemble that a search found.

    Attributes:
        subset: which one it is: numbers of its members in the search.
        members: heaviest weight first.
        voters: the same, ready to score.
        size_bytes: of all members, tensors that they share counted once.
        tuning_score: the metric on the tuning items; None where it was computed on a sample of them alone.
    """

    subset: tuple[int, ...]
    members: tuple[EnsembleMember, ...]
    voters: Voters
    size_bytes: int
    tuning_score: float | None


@dataclass(frozen=True)
class SearchChoice:
    """What a search chose on some items.

    Attributes:
        chosen: the ensemble.
        best_single: the best to have alone.
        runner_up: the best other set of candidates.
        equal_weights: the chosen members with equal weights.
        greedy: what greedy selection takes under the same budget.
    """

    chosen: Contender
    best_single: Contender | None
    runner_up: Contender | None
    equal_weights: Contender | None = None
    greedy: Contender | None = None


@dataclass(frozen=True)
class Fold:
    """Items that report, and what was chosen without them."""

    videos: Videos
    choice: SearchChoice


@dataclass(frozen=True)
class Outcome:
    """What a search found, and what reports of it.

    Attributes:
        choice: what is delivered, its rivals beside it.
        tune: items that it was chosen on.
        folds: what reports: the held-out items with the choice itself, or cross-fitted folds. There may be none.
        cross_fitted: whether those are folds.
        preference: how the choice between equals was made, in a sentence.
        search: what was searched, and why it stopped.
        repeats: the same search on other splits.
        notes: sentences on what limits the figures.
    """

    choice: SearchChoice
    tune: Videos
    folds: tuple[Fold, ...]
    cross_fitted: bool
    preference: str
    search: dict[str, Any]
    repeats: tuple[Fold, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """A score on items that did not choose, and how unsure it is of what is delivered.

    Where folds report, it is theirs: each chose on its own items, and none is what is delivered. As far as the items
    tell them apart, either may be the better one on new items. So the figure is unsure by two errors: that of
    drawing items, and that of what the folds' choices have more or less than the delivered one on the same draws.
    The second vanishes where all choose alike. Both come of the same items: what makes a choice look better than it is
    makes it chosen. They do not add as independent errors do, and the second counts ``choice_counts`` times in the
    variance, at which intervals held the truth at their rate where it could be known (``benchmarks.coverage``).

    Attributes:
        sample: the score.
        against_delivered: the same less the score of what is delivered, on the same items and draws.
        choice_counts: see above; `CHOICE_COUNTS`, or `BAGGED_CHOICE_COUNTS`.
    """

    sample: Sample
    against_delivered: Sample
    choice_counts: float = CHOICE_COUNTS

    def minus(self, other: Told) -> Told:
        """The paired difference."""
        sample, against_delivered = (
            self.sample.minus(other.sample),
            self.against_delivered.minus(other.against_delivered),
        )
        return Told(sample, against_delivered, self.choice_counts)

    def errors(self, confidence: float) -> dict[str, Any]:
        """Interval and standard error with both errors, and the second by itself."""
        whole = self.sample.less_sure(np.sqrt(self.choice_counts) * self.against_delivered.standard_error)
        return {
            "interval": list(whole.interval(confidence)),
            "standard_error": whole.standard_error,
            "choice_error": self.against_delivered.standard_error,
        }


@dataclass(frozen=True)
class Scorer:
    """Scores contenders on the items of a pool.

    Attributes:
        labels: ground truth of the pool.
        objective: what was maximised.
        tune_share: share of the items to choose on; None for all of them, folds reporting.
        resamples: bootstrap draws.
        confidence: of the bootstrap intervals.
        seed: of the bootstrap.
        groups: [items] of the pool, drawn whole in the bootstrap; None draws items.
        choice_counts: of what is told; see `Told`.
    """

    labels: Labels
    objective: Objective
    tune_share: float | None
    resamples: int
    confidence: float
    seed: int
    groups: Videos | None = None
    choice_counts: float = CHOICE_COUNTS

    @property
    def gap(self) -> Gap:
        """GAP at the metric's k, else at 20."""
        return self.objective if isinstance(self.objective, Gap) else Gap(DEFAULT_K)

    def ensemble(self, outcome: Outcome, *, budget_bytes: int, reserve_bytes: int) -> Ensemble:
        """The ensemble that a search chose, with all that is reported of it.

        Args:
            outcome: of the search.
            budget_bytes: what the members and the reserve may take.
            reserve_bytes: what is kept free for what is no member.
        """
        choice, chosen = outcome.choice, outcome.choice.chosen
        alone = len(chosen.members) == 1
        samples = self._samples(outcome)
        everything = np.arange(self.labels.video_count)
        proof = self._proof([ScoredPart(everything, chosen.voters)])
        held_out = self._held_out_record(outcome, samples)
        return Ensemble(
            members=chosen.members,
            blend=chosen.voters.blend,
            total_bytes=chosen.size_bytes,
            shared_bytes=sum(member.size_bytes for member in chosen.members) - chosen.size_bytes,
            reserve_bytes=reserve_bytes,
            budget_bytes=budget_bytes,
            metric=self.objective.name,
            score=self._score_of_all(chosen, self.objective, outcome.tune),
            tuning_score=chosen.tuning_score,
            gap=self._score_of_all(chosen, self.gap, outcome.tune) if proof is None else proof.gap,
            tuning_gap=chosen.tuning_score if self._is_gap else self._score(chosen, outcome.tune, self.gap),
            gap_interval=None if proof is None else (proof.low, proof.high),
            open_videos={}
            if proof is None
            else {"count": len(proof.open_videos), "ids": list(proof.open_videos[:SHOWN_OPEN_VIDEOS])},
            tuning={
                "videos": len(outcome.tune),
                "share": self.tune_share,
                "groups": None if self.groups is None else int(self.groups.max()) + 1,
            },
            held_out=held_out,
            notes=(*outcome.notes, *self._cut_note(held_out), *([UNPROVED] if proof is None else [])),
            best_single=self._described(choice.best_single, samples.get("best_single"), outcome.tune),
            runner_up=self._described(choice.runner_up, samples.get("runner_up"), outcome.tune),
            difference_to_best_single=self._difference(samples, "best_single"),
            difference_to_runner_up=self._difference(samples, "runner_up"),
            equal_weights=None
            if alone
            else self._described(choice.equal_weights, samples.get("equal_weights"), outcome.tune),
            difference_to_equal_weights=None if alone else self._difference(samples, "equal_weights"),
            greedy=self._described(choice.greedy, samples.get("greedy"), outcome.tune),
            difference_to_greedy=self._difference(samples, "greedy"),
            preference=outcome.preference,
            search=outcome.search,
            seeds={"seed": self.seed},
            versions=_versions(),
            weighting=weighting_of(self.labels),
        )

    def _score(self, contender: Contender, videos: Videos, objective: Objective) -> float:
        rows, weights = contender.voters.scored_rows(self.labels, videos, objective)
        return objective.score(rows, np.arange(rows.column_count), weights)

    def _score_of_all(self, contender: Contender, objective: Objective, tune: Videos) -> float:
        """The score of all items, which is that of the tuning items where all items tune."""
        known = len(tune) == self.labels.video_count and objective.name == self.objective.name
        if known and contender.tuning_score is not None:
            return contender.tuning_score
        return self._score(contender, np.arange(self.labels.video_count), objective)

    @property
    def _is_gap(self) -> bool:
        return isinstance(self.objective, Gap)

    def _proof(self, parts: Sequence[ScoredPart]) -> Certificate | None:
        """What the lists prove of the GAP of some parts' items together; None where pairs have weights."""
        if is_weighted(self.labels):
            return None
        return certify_parts(
            [
                (
                    self.labels.take(part.videos),
                    [member.take(part.videos) for member in part.voters.members],
                    part.voters.weights,
                    part.voters.blend,
                )
                for part in parts
            ],
            k=self.gap.k,
        )

    def _cut_note(self, held_out: dict[str, Any] | None) -> tuple[str, ...]:
        """A sentence where what cut lists leave open is more than what chance does."""
        if held_out is None or not isinstance(self.objective, Gap) or held_out["certain_gap_interval"] is None:
            return ()
        (low, high), (least, most) = held_out["interval"], held_out["certain_gap_interval"]
        if most - least <= high - low:
            return ()
        return (
            f"The lists are cut so short that the {reported(held_out)} figure is uncertain by more than its interval "
            f"says: the GAP of the full predictions is certain only to lie between {floor_text(least)} and "
            f"{bound_text(most)}. Make the pool again with a larger --top-k.",
        )

    def _samples(self, outcome: Outcome) -> dict[Role, Told]:
        """Bootstrap samples on the items that report, on the same draws; without those that a fold has not."""
        found: dict[Role, Told] = {}
        videos = np.concatenate([fold.videos for fold in outcome.folds]) if outcome.folds else None
        for role in ROLES:
            parts = _parts(outcome.folds, role)
            delivered: Contender | None = getattr(outcome.choice, role)
            if not parts or videos is None or delivered is None:
                continue
            sample = self._sample(parts)
            same = self._sample([ScoredPart(videos, delivered.voters)]) if outcome.cross_fitted else sample
            found[role] = Told(sample, sample.minus(same), self.choice_counts)
        return found

    def _sample(self, parts: Sequence[ScoredPart]) -> Sample:
        groups = None if self.groups is None else self.groups[np.concatenate([part.videos for part in parts])]
        return sample_on(
            blended(self.labels, parts, self.objective),
            (1.0,),
            self.objective,
            resamples=self.resamples,
            seed=self.seed,
            groups=groups,
        )

    def _held_out_record(self, outcome: Outcome, samples: dict[Role, Told]) -> dict[str, Any] | None:
        told = samples.get("chosen")
        if told is None:
            return None
        sample = told.sample
        parts = _parts(outcome.folds, "chosen")
        proof = self._proof(parts)
        folds = outcome.folds if outcome.cross_fitted else outcome.repeats
        return {
            "gap": self._gap_of(parts, sample),
            "score": sample.score,
            "certain_gap_interval": None if proof is None else [proof.low, proof.high],
            "confidence": self.confidence,
            **told.errors(self.confidence),
            "resamples": len(sample.draws),
            "videos": sum(len(part.videos) for part in parts),
            "cross_fitted": outcome.cross_fitted,
            "tune_share": self.tune_share,
            "folds": [self._fold_record(fold) for fold in folds],
        }

    def _gap_of(self, parts: Sequence[ScoredPart], sample: Sample) -> float:
        if isinstance(self.objective, Gap):
            return sample.score
        rows = blended(self.labels, parts, self.gap)
        return self.gap.score(rows, np.zeros(1, np.int64), np.ones(1))

    def _fold_record(self, fold: Fold) -> dict[str, Any]:
        """The record of a whole search on other items than those of a fold."""
        chosen = fold.choice.chosen
        return {
            "members": [member.name for member in chosen.members],
            "tuning_score": chosen.tuning_score,
            "score": self._score_of_few(chosen, fold.videos),
            "videos": len(fold.videos),
        }

    def _score_of_few(self, contender: Contender, videos: Videos) -> float | None:
        """None where they have no score by themselves, such as the area under a curve of a class that none has."""
        try:
            return self._score(contender, videos, self.objective)
        except UndefinedMetricError:
            return None

    def _described(self, contender: Contender | None, told: Told | None, tune: Videos) -> dict[str, Any] | None:
        if contender is None:
            return None
        record: dict[str, Any] = {
            "size_bytes": contender.size_bytes,
            "gap": self._score_of_all(contender, self.gap, tune),
            "tuning_score": contender.tuning_score,
            "held_out_score": None if told is None else told.sample.score,
        }
        if isinstance(self.objective, Gap):
            record["held_out_gap"] = record["held_out_score"]
        if len(contender.members) == 1:
            only = contender.members[0]
            return {"name": only.name, "precision": only.precision, **record}
        members = [vars(member) for member in contender.members if member.weight > 0.0]
        return {"members": members, "blend": contender.voters.blend, **record}

    def _difference(self, samples: dict[Role, Told], other: Role) -> dict[str, Any] | None:
        """Score of the chosen one less the other's on the items that report, on the same bootstrap draws."""
        if "chosen" not in samples or other not in samples:
            return None
        told = samples["chosen"].minus(samples[other])
        errors = told.errors(self.confidence)
        low, high = errors["interval"]
        return {"difference": told.sample.score, **errors, "within_noise": low <= 0.0 <= high}


def _parts(folds: Sequence[Fold], role: Role) -> list[ScoredPart]:
    """The items of folds with what scores them in a role; empty where a fold has none for it."""
    contenders: list[Contender | None] = [getattr(fold.choice, role) for fold in folds]
    parts = [ScoredPart(f.videos, each.voters) for f, each in zip(folds, contenders, strict=True) if each is not None]
    return parts if len(parts) == len(folds) else []


def _versions() -> dict[str, str]:
    found = {}
    for package in ("gapsack", "numpy", "scipy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # used from a source tree that is not installed
            found[package] = "not installed"
    return found
