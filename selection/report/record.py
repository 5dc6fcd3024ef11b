"""The record of a search: its ensemble, scored in every way that is reported, beside the best single and the runner-up.

Scores on the tuning videos are those on which members and weights were chosen. The others, of the held-out videos, are
told with bootstrap intervals, and differences by the same draws for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from gapsack.selection.metrics.objectives import DEFAULT_K, Gap
from gapsack.selection.metrics.weighting import is_weighted
from gapsack.selection.pool.weights import weighting_of
from gapsack.selection.report.bootstrap import Sample, Voters, bootstrap
from gapsack.selection.report.certify import Certificate, certify
from gapsack.selection.report.ensemble import Ensemble, EnsembleMember

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gapsack.selection.metrics.objectives import Objective
    from gapsack.selection.pool.lists import Labels

    Videos = NDArray[np.int64]
    Samples = dict[tuple[int, ...], Sample]

SHOWN_OPEN_VIDEOS = 20
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
        size_bytes: of all members.
        tuning_score: the metric on the tuning videos.
    """

    subset: tuple[int, ...]
    members: tuple[EnsembleMember, ...]
    voters: Voters
    size_bytes: int
    tuning_score: float


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes:
        chosen: the ensemble.
        best_single: the best to have alone.
        runner_up: the best other set of candidates.
        preference: how the choice between equals was made, in a sentence.
        search: what was searched, and why it stopped.
        folds: the same search on other splits.
        notes: sentences on what limits the figures.
    """

    chosen: Contender
    best_single: Contender | None
    runner_up: Contender | None
    preference: str
    search: dict[str, Any]
    folds: list[dict[str, Any]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scorer:
    """Scores contenders on the videos of a pool.

    Attributes:
        labels: ground truth of the pool.
        tune: videos to choose on.
        held_out: videos to report on; there may be none.
        objective: what was maximised.
        tune_share: share of the videos to choose on.
        resamples: bootstrap draws.
        confidence: of the bootstrap intervals.
        seed: of the bootstrap.
    """

    labels: Labels
    tune: Videos
    held_out: Videos
    objective: Objective
    tune_share: float
    resamples: int
    confidence: float
    seed: int

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
        chosen, single, runner_up = outcome.chosen, outcome.best_single, outcome.runner_up
        samples = self._samples([chosen, single, runner_up])
        proof = self._proof(chosen, self._everything)
        held_out = self._held_out_record(chosen, samples, outcome.folds)
        return Ensemble(
            members=chosen.members,
            blend=chosen.voters.blend,
            total_bytes=chosen.size_bytes,
            reserve_bytes=reserve_bytes,
            budget_bytes=budget_bytes,
            metric=self.objective.name,
            score=self._score(chosen, self._everything, self.objective),
            tuning_score=chosen.tuning_score,
            gap=self._score(chosen, self._everything, self.gap) if proof is None else proof.gap,
            tuning_gap=self._score(chosen, self.tune, self.gap),
            gap_interval=None if proof is None else (proof.low, proof.high),
            open_videos={}
            if proof is None
            else {"count": len(proof.open_videos), "ids": list(proof.open_videos[:SHOWN_OPEN_VIDEOS])},
            held_out=held_out,
            notes=(*outcome.notes, *self._cut_note(held_out), *([UNPROVED] if proof is None else [])),
            best_single=self._described(single, samples),
            runner_up=self._described(runner_up, samples),
            difference_to_best_single=self._difference(chosen, single, samples),
            difference_to_runner_up=self._difference(chosen, runner_up, samples),
            preference=outcome.preference,
            search=outcome.search,
            seeds={"seed": self.seed},
            versions=_versions(),
            weighting=weighting_of(self.labels),
        )

    def fold(self, contender: Contender) -> dict[str, Any]:
        """The record of a whole search on this split."""
        return {
            "members": [member.name for member in contender.members],
            "tuning_score": contender.tuning_score,
            "score": self._score(contender, self.held_out, self.objective),
            "videos": len(self.held_out),
        }

    @property
    def _everything(self) -> Videos:
        return np.arange(self.labels.video_count)

    def _score(self, contender: Contender, videos: Videos, objective: Objective) -> float:
        rows = contender.voters.rows(self.labels, videos, objective)
        return objective.score(rows, np.arange(rows.column_count), np.array(contender.voters.weights))

    def _proof(self, contender: Contender, videos: Videos) -> Certificate | None:
        """What the lists of some videos prove of a contender's GAP; None where pairs have weights."""
        voters = contender.voters
        if is_weighted(self.labels):
            return None
        lists = [member.take(videos) for member in voters.members]
        return certify(self.labels.take(videos), lists, voters.weights, blend=voters.blend, k=self.gap.k)

    def _cut_note(self, held_out: dict[str, Any] | None) -> tuple[str, ...]:
        """A sentence where what cut lists leave open is more than what chance does."""
        if held_out is None or not isinstance(self.objective, Gap) or held_out["certain_gap_interval"] is None:
            return ()
        (low, high), (least, most) = held_out["interval"], held_out["certain_gap_interval"]
        if most - least <= high - low:
            return ()
        return (
            f"The lists are cut so short that the held-out figure is uncertain by more than its interval says: the GAP "
            f"of the full predictions is certain only to lie between {least:.5f} and {most:.5f}. Make the pool again "
            "with a larger --top-k.",
        )

    def _samples(self, contenders: Sequence[Contender | None]) -> Samples:
        """Bootstrap samples on the held-out videos, by subset; empty without such videos."""
        present = list({each.subset: each for each in contenders if each is not None}.values())
        if len(self.held_out) == 0:
            return {}
        samples = bootstrap(
            [each.voters for each in present],
            self.labels,
            self.held_out,
            self.objective,
            resamples=self.resamples,
            seed=self.seed,
        )
        return {each.subset: sample for each, sample in zip(present, samples, strict=True)}

    def _held_out_record(
        self, chosen: Contender, samples: Samples, folds: list[dict[str, Any]]
    ) -> dict[str, Any] | None:
        sample = samples.get(chosen.subset)
        if sample is None:
            return None
        low, high = sample.interval(self.confidence)
        proof = self._proof(chosen, self.held_out)
        return {
            "gap": self._score(chosen, self.held_out, self.gap),
            "score": sample.score,
            "interval": [low, high],
            "certain_gap_interval": None if proof is None else [proof.low, proof.high],
            "confidence": self.confidence,
            "standard_error": sample.standard_error,
            "resamples": len(sample.draws),
            "videos": len(self.held_out),
            "tune_share": self.tune_share,
            "folds": folds,
        }

    def _described(self, contender: Contender | None, samples: Samples) -> dict[str, Any] | None:
        if contender is None:
            return None
        sample = samples.get(contender.subset)
        record: dict[str, Any] = {
            "size_bytes": contender.size_bytes,
            "gap": self._score(contender, self._everything, self.gap),
            "tuning_score": contender.tuning_score,
            "held_out_score": None if sample is None else sample.score,
        }
        if isinstance(self.objective, Gap):
            record["held_out_gap"] = record["held_out_score"]
        if len(contender.members) == 1:
            only = contender.members[0]
            return {"name": only.name, "precision": only.precision, **record}
        members = [vars(member) for member in contender.members if member.weight > 0.0]
        return {"members": members, "blend": contender.voters.blend, **record}

    def _difference(self, chosen: Contender, other: Contender | None, samples: Samples) -> dict[str, Any] | None:
        """Held-out score of the chosen one less the other's, on the same bootstrap draws."""
        if other is None or chosen.subset not in samples:
            return None
        difference = samples[chosen.subset].minus(samples[other.subset])
        low, high = difference.interval(self.confidence)
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
