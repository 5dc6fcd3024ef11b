"""The record of a finished trial: its scores, its sizes, and what it takes to repeat it."""

from __future__ import annotations

import time

from gapsack.models import sizes
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.runs import checksums
from gapsack.sweep.runs.provenance import file_list_summary, trial_environment
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.trial.averaging import Averaging
from gapsack.sweep.trial.checkpoints import Progress
from gapsack.sweep.trial.publish import Published


def trial_record(
    spec: TrialSpec,
    progress: Progress,
    averaging: Averaging,
    published: Published,
    faults: Faults,
    *,
    kernels: str,
) -> TrialResult:
    """What a trial came to, and what it takes to repeat it."""
    grid, point = spec.grid, spec.point
    known = checksums.read(spec.run.checksums_file)
    first, last = averaging.chosen
    return TrialResult(
        name=spec.name,
        run=spec.run.name,
        family=point.family,
        axes=point.axes,
        hyperparameters=point.hyperparameters,
        training=grid.training.model_dump(mode="json"),
        parameters=sizes.parameter_count(point.family, point.hyperparameters),
        size_bytes={
            precision: sizes.size_bytes(point.family, point.hyperparameters, precision)
            for precision in dict.fromkeys((*sizes.PRECISIONS, *published.gap_by_precision))
        },
        gap=published.plain.gap,
        gap_single=averaging.gap_single,
        step_single=averaging.step_single,
        gap_averaged=averaging.gap_averaged,
        averaging_range=(first, last) if first < last else None,
        averaging_evaluated=tuple((*steps, gap) for steps, gap in sorted(averaging.evaluated.items())),
        gap_by_precision=published.gap_by_precision,
        precisions_left_out=published.left_out,
        sensitivity=None if published.sensitivity is None else published.sensitivity.to_dict(),
        videos=published.plain.labels.video_count,
        steps=progress.step,
        videos_per_second=progress.videos_per_second(grid.training.batch_size),
        data_wait_share=progress.data_wait_share,
        fit_seconds=round(progress.fit_seconds, 3),
        seeds={"training": grid.training.seed, "holdout": grid.data.holdout_seed},
        data={
            **grid.data.facts,
            "train": file_list_summary(spec.train_files, known),
            "holdout": file_list_summary(spec.holdout_files, known),
        },
        faults={"train": faults.summary(), "holdout": published.plain.faults},
        environment=trial_environment(),
        kernels=kernels,
        fingerprint=spec.fingerprint(),
        finished=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )
