"""What a finished model leaves: final weights, its predictions in the candidate pool, and its score by precision."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from gapsack.models import precisions, sizes
from gapsack.models.checkpoints import write_weights
from gapsack.models.tensors import groups_of
from gapsack.selection.errors import InputError
from gapsack.selection.pool import Candidate, write_candidate, write_labels
from gapsack.selection.pool.lists import Predictions
from gapsack.selection.pool.origin import TrialOrigin
from gapsack.sweep.grid.schema import AUTO
from gapsack.sweep.grid.training_axes import training_axes
from gapsack.sweep.measure.holdout import HoldoutSet, Measured
from gapsack.sweep.measure.sample import TrainingSample
from gapsack.sweep.runs.damage import digests
from gapsack.sweep.runs.latencies import LATENCY, MEASURED_ON
from gapsack.sweep.runs.record import FileDigest
from gapsack.sweep.runs.same_videos import refuse_other_videos
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.storage.mirrored import bring
from gapsack.sweep.trial.control import Control
from gapsack.sweep.trial.latency import Latency, latency_of
from gapsack.sweep.trial.sensitivity import SensitivityResult, choose_recipe

if TYPE_CHECKING:
    from gapsack.models.calibration import Calibration
    from gapsack.models.training import Trainer

Weights = Mapping[str, NDArray[Any]]

EXACT = "float32"
"""The precision of training, whose predictions are the plain ones."""


@dataclass(frozen=True)
class Published:
    """The final weights on the hold-out.

    Attributes:
        plain: as trained.
        gap_by_precision: GAP@20 of the weights as each precision of the grid stores them.
        left_out: precisions that cannot store these weights, and why.
        files: the arrays that this left on disk, for the record to vouch for.
        sensitivity: by what `auto` chose its mixed precision; None without it.
        flops: of one example's forward pass, as `Trainer.flops`; None where they cannot be counted.
        latency: of one example; None where the grid does not have it measured.
    """

    plain: Measured
    gap_by_precision: dict[str, float]
    left_out: dict[str, str]
    files: dict[str, FileDigest]
    sensitivity: SensitivityResult | None = None
    flops: int | None = None
    latency: Latency | None = None


def publish(
    spec: TrialSpec,
    trainer: Trainer,
    weights: Weights,
    holdout: HoldoutSet,
    scores: Mapping[str, float | None],
    *,
    control: Control,
) -> Published:
    """Write the final weights, and the trial as a candidate of the pool in each of the grid's precisions.

    `scores` go into the candidate's metrics beside its GAP.

    Raises:
        TrialSupersededError: a newer attempt has the trial.
    """
    control.check_owner()
    write_weights(spec.folder.weights, weights)
    k = spec.grid.training.predictions_top_k
    trainer.load_weights(weights)
    plain = holdout.measure(trainer, k)
    storing = _Storing(spec, trainer, weights, _calibration(spec, trainer, control), control)
    wanted = dict.fromkeys(name for name in spec.grid.training.precisions if name not in (EXACT, AUTO))
    gaps, own, left_out, sensitivity = {EXACT: plain.gap}, {}, {}, None
    if AUTO in spec.grid.training.precisions:
        try:
            sensitivity = storing.sensitivity()
            wanted[sensitivity.recipe] = None
        except InputError as error:
            left_out[AUTO] = str(error)
    for precision in wanted:
        try:
            storing.load(precision)
        except InputError as error:
            left_out[precision] = str(error)
            continue
        measured = holdout.measure(trainer, k)
        gaps[precision], own[precision] = measured.gap, measured.predictions
    metrics: dict[str, Any] = {"gap": plain.gap, **scores, "gap_by_precision": gaps}
    if sensitivity is not None:
        metrics["sensitivity"] = sensitivity.to_dict()
    flops = trainer.flops(spec.grid.data.task.model_inputs(spec.view))
    if flops is not None:
        metrics["flops"] = flops
    latency = None
    if spec.grid.resources.measure_latency:
        latency = latency_of(trainer, holdout.example(), control.tick)
        metrics |= {LATENCY: latency.milliseconds, MEASURED_ON: latency.measured_on}
    control.check_owner()
    _write_to_pool(spec, plain, own, metrics)
    return Published(plain, gaps, left_out, _digests(spec, own), sensitivity, flops, latency)


@dataclass(frozen=True)
class _Storing:
    """The final weights as precisions store them, loaded into the trainer."""

    spec: TrialSpec
    trainer: Trainer
    weights: Weights
    calibration: Calibration | None
    control: Control

    def load(self, precision: str) -> None:
        """Load what a graph computes with in `precision`; InputError where that cannot hold the weights."""
        tensors = sizes.tensors(self.spec.point.family, self.spec.point.hyperparameters)
        self.trainer.load_weights(precisions.roundtrip(self.weights, precision, tensors, calibration=self.calibration))

    def sensitivity(self) -> SensitivityResult:
        """The mixed precision that training videos suggest; InputError where none is good enough."""
        training, point = self.spec.grid.training, self.spec.point
        sample = TrainingSample.of(self.spec, training.sensitivity.videos, self.control.tick)

        def gap(precision: str) -> float:
            self.load(precision)
            return sample.measure(self.trainer, training.batch_size).gap

        def size_bytes(precision: str) -> int:
            return sizes.size_bytes(point.family, point.hyperparameters, precision)

        groups = groups_of(sizes.tensors(point.family, point.hyperparameters))
        return choose_recipe(groups, gap, size_bytes, training.sensitivity.gap_loss)


def _calibration(spec: TrialSpec, trainer: Trainer, control: Control) -> Calibration | None:
    """Moments of the final weights' inputs, which `trainer` has loaded, kept for whoever stores the same integers.

    None where the grid has no integer precision, or wants none calibrated.
    """
    training = spec.grid.training
    spec.folder.calibration.unlink(missing_ok=True)  # of an earlier attempt
    integers = any(name == AUTO or precisions.uses_moments(name) for name in training.precisions)
    if not integers or not training.calibration_videos:
        return None
    calibration = TrainingSample.of(spec, training.calibration_videos, control.tick).calibrate(trainer)
    control.check_owner()
    write_weights(spec.folder.calibration, calibration)
    return calibration


def _digests(spec: TrialSpec, own: Iterable[str]) -> dict[str, FileDigest]:
    """Of the weights, and of the predictions: the plain ones, and those of the precisions that have their own."""
    pool, folder = spec.run.pool, spec.folder
    lists = [pool / f"{spec.name}.npz", *(pool / f"{spec.name}.{precision}.npz" for precision in own)]
    return digests(spec.run.path, [*lists, *(file for file in (folder.weights, folder.calibration) if file.exists())])


def _write_to_pool(spec: TrialSpec, plain: Measured, own: dict[str, Predictions], metrics: dict[str, Any]) -> None:
    """Write the candidate; the labels too, unless an earlier trial did."""
    pool = spec.run.pool
    bring(pool / "labels.npz")
    if not (pool / "labels.npz").exists():
        write_labels(pool, plain.labels)
    refuse_other_videos(pool, plain.labels.video_ids)
    calibration = spec.folder.calibration
    origin = TrialOrigin(
        run=spec.run.name,
        family=spec.point.family,
        weights=os.path.relpath(spec.folder.weights, pool),
        calibration=os.path.relpath(calibration, pool) if calibration.exists() else None,
        sample_frames=spec.grid.training.sample_frames,
        task=spec.grid.data.task.to_dict(),
        started_from=spec.started_from,
        settings=training_axes(spec.point.axes) or None,
    )
    candidate = Candidate(
        name=spec.name,
        size_bytes={
            precision: sizes.size_bytes(spec.point.family, spec.point.hyperparameters, precision)
            for precision in (EXACT, *own)
        },
        predictions=plain.predictions,
        by_precision=own,
        metrics=metrics,
        hyperparameters=spec.point.hyperparameters,
        origin=origin.to_dict(),
    )
    write_candidate(pool, candidate)
