"""What a report is made of: plain values that the caller fills, with nothing of plotly, Ray or TensorFlow in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gapsack.selection.report.ensemble import Ensemble

Status = Literal["done", "stopped early", "failed", "skipped", "running", "pending"]


@dataclass(frozen=True)
class CurvePoint:
    """One logged moment of a training. A value that was not measured at this step is None.

    Args:
        step: optimiser steps done.
        loss: mean training loss since the point before, in nats a video.
        gap: GAP@20 on the held-out videos with the weights of this step, in [0, 1].
        learning_rate: learning rate of this step.
    """

    step: int
    loss: float | None = None
    gap: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One point of the sweep, trained or not.

    Args:
        name: unique in the sweep, for example ``K16-H512``.
        status: ``done`` trials have a `gap`; ``failed`` and ``skipped`` ones a `reason`.
        family: model family; empty for a candidate that was not trained here.
        hyperparameters: what the sweep varies and what it fixes, by name.
        parameters: number of weights.
        size_bytes: exact size by precision.
        flops: of one example's forward pass, two for each multiply-add; None where they were not counted.
        latency_ms: time of answering one example, in milliseconds; None where it was not measured.
        gap: the score that counts, of the weights that were kept; GAP@20 on the held-out videos.
        gap_single: best single checkpoint.
        gap_averaged: best average of checkpoints; None where averaging was off.
        averaging_range: first and last step of the checkpoints that were averaged; None where a single one was kept.
        videos_per_second: training speed.
        reason: one sentence, for a failed or skipped trial, or one whose files are damaged.
        curve: logged points, by increasing step.
        ensemble_gain: GAP that the best ensemble under the sweep's budget gained when the model joined the others;
            None where that was not computed.
        ensemble_gain_per_mib: the same by MiB that the model takes of the budget.
    """

    name: str
    status: Status
    family: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    size_bytes: Mapping[str, int] = field(default_factory=dict)
    flops: float | None = None
    latency_ms: float | None = None
    gap: float | None = None
    gap_single: float | None = None
    gap_averaged: float | None = None
    averaging_range: tuple[int, int] | None = None
    videos_per_second: float | None = None
    reason: str = ""
    curve: tuple[CurvePoint, ...] = ()
    ensemble_gain: float | None = None
    ensemble_gain_per_mib: float | None = None


def best_first(trial: TrialRecord) -> float:
    """Sort key of trials: the highest GAP comes first, and those without one last."""
    return math.inf if trial.gap is None else -trial.gap


@dataclass(frozen=True)
class FrontierPoint:
    """The best ensemble of one budget.

    Args:
        budget_bytes: the budget that was searched.
        total_bytes: what the ensemble takes of it.
        gap: its score on videos by what was not chosen on them, where there are any; else as `everywhere`.
        members: names of its members.
        everywhere: its score on all videos of the pool; None where it is known on a part of them alone.
    """

    budget_bytes: int
    total_bytes: int
    gap: float
    members: tuple[str, ...]
    everywhere: float | None = None


@dataclass(frozen=True)
class DataFacts:
    """What the scores were measured on; None where it is not known.

    Args:
        kind: in words, such as ``frame level``.
        classes: size of the vocabulary.
        train_files: files that were trained on.
        held_out_files: files that every score was measured on.
        held_out_videos: videos, or other items, in those.
        items: what they are, in the plural.
        pool_items: how many the pool holds, for one that no sweep made.
    """

    kind: str | None = None
    classes: int | None = None
    train_files: int | None = None
    held_out_files: int | None = None
    held_out_videos: int | None = None
    items: str = "videos"
    pool_items: int | None = None

    @property
    def population(self) -> str:
        """What the models' scores, and those of ensembles on the whole pool, are on: ``all 1,714 held-out videos``."""
        if self.held_out_videos is not None:
            return f"all {self.held_out_videos:,} held-out {self.items}"
        if self.pool_items is not None:
            return f"all {self.pool_items:,} {self.items} of the pool"
        return f"all {self.items}"


@dataclass(frozen=True)
class DataFault:
    """What was wrong with the data that some trials were trained or measured on; it was left out.

    Args:
        kind: ``training`` or ``held-out``.
        trials: names of the trials that met it.
        records: faulty records by kind of fault; the lost rest of a file is one.
        share: faulty records over all, lost rests by their estimate, in [0, 1].
        lost_records: about how many records the lost rests of files held.
        damaged_files: files that are not whole, empty ones included, and why.
        examples: the first faults, as sentences.
    """

    kind: str
    trials: tuple[str, ...]
    records: Mapping[str, int] = field(default_factory=dict)
    share: float = 0.0
    lost_records: int = 0
    damaged_files: Mapping[str, str] = field(default_factory=dict)
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchRecords:
    """What was searched, as Optuna shows it.

    Args:
        trials: names of those that are done, in the order in which they ended.
        importances: each axis's share in what makes a trial one of the best, the largest first; empty of few trials.
        history: ``optuna.visualization.plot_optimization_history`` of the trials' scores, as plotly's JSON.
        slices: ``optuna.visualization.plot_slice`` of them, as plotly's JSON.
        sliced: the axes of that, from left to right.
    """

    trials: tuple[str, ...]
    importances: Mapping[str, float]
    history: Mapping[str, Any]
    slices: Mapping[str, Any]
    sliced: tuple[str, ...]


@dataclass(frozen=True)
class SeedPoint:
    """A point of the search whose seeds vary.

    Args:
        name: what its trials are called, without the seed.
        gaps: GAP@20 of each, in the order of the seeds.
        mean: of those.
        deviation: their sample standard deviation; None of a single one.
    """

    name: str
    gaps: tuple[float, ...]
    mean: float
    deviation: float | None


@dataclass(frozen=True)
class SweepRecords:
    """Everything that a report shows. Only the name is required: a sweep that has not begun has a report too.

    Args:
        name: name of the sweep.
        trials: in the order of the plan.
        precision: the precision at which sizes are compared (`inferior`, size axes).
        inferior: for each dropped trial, the trial that dominates it (no larger, and scores at least as well).
        ensembles: as ``ensemble.json`` files have them, oldest first; the last one is the report's answer.
        frontier: the best ensemble by budget, by increasing budget; empty where it was not searched.
        frontier_singles: the best models to have alone by budget, scored on the same videos.
        frontier_metric: what the frontier's scores are of.
        frontier_population: the videos that they are of, in words.
        budget_bytes: the sweep's own budget, shown while there is no ensemble.
        data: what was trained and scored on.
        data_faults: what of it could not be used.
        environment: versions and hardware, by name.
        created: when the records were taken, as text; the report itself reads no clock.
        notices: what a reader should know besides, in sentences: files that are damaged and therefore left out.
        metric: what `gap` of the trials is, where it is another score than GAP@20; curves are of GAP@20 in any case.
        search: what was varied and what came of it; None where nothing was.
        seeds: mean and spread of the points whose seeds vary.
    """

    name: str
    trials: tuple[TrialRecord, ...] = ()
    precision: str = "float16"
    inferior: Mapping[str, str] = field(default_factory=dict)
    ensembles: tuple[Ensemble, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()
    frontier_singles: tuple[FrontierPoint, ...] = ()
    frontier_metric: str = "gap@20"
    frontier_population: str = ""
    budget_bytes: int | None = None
    data: DataFacts = field(default_factory=DataFacts)
    data_faults: tuple[DataFault, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    notices: tuple[str, ...] = ()
    metric: str = "gap@20"
    search: SearchRecords | None = None
    seeds: tuple[SeedPoint, ...] = ()

    @property
    def noun(self) -> str:
        """What `trials` are to a reader, in the singular: a pool that no sweep made has models."""
        return "trial" if self.data.pool_items is None else "model"


@dataclass(frozen=True)
class RunsRecords:
    """Several runs or pools beside each other.

    Args:
        runs: at least two, with different names and the same metric.
        settings: of the grids, those in which they differ, by dotted key: the value of each run as text.
        notices: what stands in the way of comparing them, in sentences.
    """

    runs: tuple[SweepRecords, ...]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def best_trial(records: SweepRecords) -> TrialRecord | None:
    """The finished trial with the highest score; of equals, the smallest."""
    done = [trial for trial in records.trials if trial.status == "done" and trial.gap is not None]
    return max(done, key=lambda t: (t.gap or 0.0, -t.size_bytes.get(records.precision, 0)), default=None)
