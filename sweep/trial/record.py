"""The record of a finished trial: its scores, its sizes, and what it takes to repeat it."""

from __future__ import annotations

import platform
import time
from typing import Any

from gapsack.models import sizes
from gapsack.selection.errors import InputError
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.runs import checksums
from gapsack.sweep.runs.damage import checked_result, is_whole
from gapsack.sweep.runs.provenance import file_list_summary, trial_environment
from gapsack.sweep.runs.record import TrialResult
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.trial.averaging import AveragingResult
from gapsack.sweep.trial.publish import Published
from gapsack.sweep.trial.trial_checkpoints import TrialProgress


def trial_record(
    spec: TrialSpec,
    progress: TrialProgress,
    averaging: AveragingResult,
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
        started_from=spec.started_from,
        parameters=sizes.parameter_count(point.family, point.hyperparameters),
        gap_single=averaging.gap_single,
        step_single=averaging.step_single,
        gap_averaged=averaging.gap_averaged,
        averaging_range=(first, last) if first < last else None,
        averaging_evaluated=tuple((*steps, gap) for steps, gap in sorted(averaging.evaluated.items())),
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
        **_of_published(spec, published),
        environment=trial_environment(),
        kernels=kernels,
        fingerprint=spec.fingerprint(),
    )


def record_again(spec: TrialSpec, earlier: TrialResult, published: Published) -> TrialResult:
    """The record of a trial that is published a second time from its weights: of the training it says what it said."""
    faults = {**earlier.faults, "holdout": published.plain.faults}
    return earlier.model_copy(update={**_of_published(spec, published), "faults": faults})


def finished_record(spec: TrialSpec) -> TrialResult | None:
    """The record of a trial that is done already, by an attempt that could not tell; None where there is none.

    It counts if it is of the same training and all that it vouches for is whole, read to its end.

    Raises:
        InputError: it is one of another version of gapsack.
    """
    record, _damage = checked_result(spec.folder, contents=True)
    return record if record is not None and record.fingerprint == spec.fingerprint() else None


def earlier_record(spec: TrialSpec) -> TrialResult | None:
    """The record by which a trial need only be published again; None where it must be trained.

    That is the record of a trial whose files were found damaged, if it is of the same training and its weights are
    what it vouches for.
    """
    folder = spec.folder
    if not folder.earlier_record.exists():
        return None
    try:
        record = TrialResult.read(folder.earlier_record)
    except InputError:  # the record was what is damaged, and `runs.damage` has told of it
        return None
    same = record.fingerprint == spec.fingerprint()
    return record if same and is_whole(folder.weights, spec.run.path, record) else None


def _of_published(spec: TrialSpec, published: Published) -> dict[str, Any]:
    """What a record says of the final weights."""
    point = spec.point
    return {
        "gap": published.plain.gap,
        "gap_by_precision": published.gap_by_precision,
        "precisions_left_out": published.left_out,
        "sensitivity": None if published.sensitivity is None else published.sensitivity.to_dict(),
        "size_bytes": {
            precision: sizes.size_bytes(point.family, point.hyperparameters, precision)
            for precision in dict.fromkeys((*sizes.PRECISIONS, *published.gap_by_precision))
        },
        "flops": published.flops,
        "latency_ms": None if published.latency is None else published.latency.milliseconds,
        "latency_measured_on": "" if published.latency is None else published.latency.measured_on,
        "videos": published.plain.labels.video_count,
        "files": published.files,
        "host": platform.node(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
