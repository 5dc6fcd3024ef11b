"""One trial, from its spec to its record: train, average checkpoints, publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from gapsack.models.checkpoints import read_weights
from gapsack.models.errors import TrainingError
from gapsack.selection.files import remove_temporary_files
from gapsack.sweep.data.faults import Faults
from gapsack.sweep.measure.holdout import HoldoutSet
from gapsack.sweep.runs.curve import CurveFile
from gapsack.sweep.runs.folder import StoppedEarly
from gapsack.sweep.runs.record import FileDigest, TrialResult
from gapsack.sweep.runs.spec import TrialSpec
from gapsack.sweep.runs.starting_weights import starting_weights
from gapsack.sweep.teaching.tutor import Tutor
from gapsack.sweep.trial.averaging import AveragingResult, Range, RangeSearch, Weights, average
from gapsack.sweep.trial.control import Control, TrialStoppedEarlyError
from gapsack.sweep.trial.fit import Fit
from gapsack.sweep.trial.publish import Published, publish
from gapsack.sweep.trial.record import earlier_record, record_again, trial_record
from gapsack.sweep.trial.trial_checkpoints import Checkpoints, TrialProgress
from gapsack.sweep.trial.watch import DataWatch

if TYPE_CHECKING:
    from gapsack.models.training import Trainer


def run_trial(spec: TrialSpec, control: Control) -> TrialResult:
    """Run a trial, or go on with it from its last checkpoint; returns its record.

    A trial that was done, and whose predictions are lost, is published again from its weights, where these are whole.
    The record is written last, so that a trial that has one is done; then its checkpoints are deleted.

    Raises:
        TrainingError: the loss, or a score, is not finite.
        DataError: too many records are faulty, or the data files have changed.
        InputError: the weights to begin with are not there, are others than expected, or do not fit the model.
        TrialInterruptedError: stopped on request; it can be continued.
        TrialStoppedEarlyError: it ends before its last step, and is published if the grid wants that; its checkpoints
            stay.
        TrialSupersededError: a newer attempt has the trial; nothing of it is touched.
    """
    control.check_owner()
    remove_temporary_files(spec.folder.path)  # an earlier worker may have been killed while it wrote
    checkpoints = Checkpoints(spec.folder.checkpoints, spec.fingerprint(), control.check_owner)
    try:
        # The worker goes on to other trials, with the same memory.
        with closing(new_trainer(spec)) as trainer:
            trial, earlier = _Trial(spec, trainer, checkpoints, control), earlier_record(spec)
            record = trial.run() if earlier is None else trial.publish_again(earlier)
    except TrainingError:
        checkpoints.delete()  # going on from them would only fail again
        raise
    control.check_owner()
    spec.folder.finish(record)
    return record


class _Trial:
    """The steps of one trial, and what they share."""

    def __init__(self, spec: TrialSpec, trainer: Trainer, checkpoints: Checkpoints, control: Control) -> None:
        data, training = spec.grid.data, spec.grid.training
        self._spec = spec
        self._checkpoints = checkpoints
        self._control = control
        self._watch = DataWatch(spec)
        self._holdout = HoldoutSet(
            spec.holdout_files,
            data.dataset,
            batch_size=training.batch_size,
            view=spec.view,
            max_bad_share=data.max_bad_share,
            tick=control.tick,
            allow_damaged=data.allow_damaged,
            watch=self._watch,
        )
        self._faults = Faults(data.max_bad_share)
        teacher = training.teacher
        self._tutor = None if teacher is None else Tutor(teacher, data.task.classes)
        self._trainer = trainer

    def run(self) -> TrialResult:
        try:
            progress = self._fit()
        except TrialStoppedEarlyError as ended:
            if self._is_published_early():
                files = self._publish_early(ended.stopped)
                told = ended.stopped.model_copy(update={"published": True, "files": files})
                raise TrialStoppedEarlyError(told) from None
            raise
        averaging, published = self._publish(progress)
        return trial_record(self._spec, progress, averaging, published, self._faults, kernels=self._trainer.kernels)

    def _is_published_early(self) -> bool:
        scheduler = self._spec.grid.search.scheduler
        return scheduler is not None and scheduler.publish_stopped

    def _publish_early(self, stopped: StoppedEarly) -> dict[str, FileDigest]:
        """Publish what a trial that is stopped has learnt, and leave its checkpoints as they were; what that left."""
        found = self._checkpoints.read_state()
        progress = TrialProgress() if found is None else found[0]
        # Copied: the search loads other weights into the trainer, whose arrays may be its variables' own memory.
        current = (progress.step, {name: value.copy() for name, value in self._trainer.weights().items()})
        _, published = self._publish(progress, current, {"stopped_at_step": stopped.step})
        self._checkpoints.forget_scores()
        return published.files

    def _publish(
        self,
        progress: TrialProgress,
        current: tuple[int, Weights] | None = None,
        further: Mapping[str, float] | None = None,
    ) -> tuple[AveragingResult, Published]:
        """Search for the checkpoints to average, and publish their average.

        Args:
            progress: where the training stands.
            current: step and weights of a training that ends between two checkpoints.
            further: what the candidate's metrics have besides.
        """
        averaging = self._search(progress, current)
        weights = average(self._steps(current), averaging.chosen, self._reader(current))
        scores = {"gap_single": averaging.gap_single, "gap_averaged": averaging.gap_averaged, **(further or {})}
        published = publish(self._spec, self._trainer, weights, self._holdout, scores, control=self._control)
        self._watch.ending()
        return averaging, published

    def publish_again(self, earlier: TrialResult) -> TrialResult:
        self._control.report({"status": "running", "phase": "publishing"})
        weights = read_weights(self._spec.folder.weights)
        scores = {"gap_single": earlier.gap_single, "gap_averaged": earlier.gap_averaged}
        published = publish(self._spec, self._trainer, weights, self._holdout, scores, control=self._control)
        return record_again(self._spec, earlier, published)

    def _fit(self) -> TrialProgress:
        training = self._spec.grid.training
        start = training.start_from
        return Fit(
            trainer=self._trainer,
            training=training,
            files=self._spec.train_files,
            dataset=self._spec.grid.data.dataset,
            view=self._spec.view,
            faults=self._faults,
            holdout=self._holdout,
            checkpoints=self._checkpoints,
            curve=CurveFile(self._spec.folder.curve),
            control=self._control,
            tutor=self._tutor,
            first_weights=None if start is None else lambda: starting_weights(self._spec),
        ).run()

    def _steps(self, current: tuple[int, Weights] | None) -> list[int]:
        """Steps whose weights there are, ascending: the checkpoints, and what a trial that is stopped has now."""
        steps = self._checkpoints.steps()
        return steps if current is None else sorted({*steps, current[0]})

    def _reader(self, current: tuple[int, Weights] | None) -> Callable[[int], Weights]:
        """What reads the weights of a step."""
        if current is None:
            return self._checkpoints.read_weights
        return lambda step: current[1] if step == current[0] else self._checkpoints.read_weights(step)

    def _search(self, progress: TrialProgress, current: tuple[int, Weights] | None) -> AveragingResult:
        """Search for the checkpoints to average; with averaging off, the last checkpoint is what counts.

        Of a pruned training, only checkpoints that share the final zeros count: earlier ones are denser, and would fill
        the zeros of an average.
        """
        settings = self._spec.grid.training.averaging
        pruning = self._trainer.recipe.pruning_schedule
        pruned_at = 0 if pruning is None else pruning.end_step
        steps = [step for step in self._steps(current) if step >= pruned_at]
        if not settings.enabled:
            steps = steps[-1:]
        measured = progress.scores()
        remembered = self._checkpoints.read_scores()

        def remember(steps: Range, gap: float) -> None:
            remembered[steps] = gap
            self._checkpoints.write_scores(remembered)
            self._control.report(
                {"status": "running", "phase": "averaging", "evaluations": len(remembered), "averaged": gap}
            )

        return RangeSearch(
            steps,
            self._reader(current),
            self._score,
            settings.max_evaluations,
            scores={(step, step): measured[step] for step in steps if step in measured},
            remembered=dict(remembered),
            on_score=remember,
        ).run()

    def _score(self, weights: Weights) -> float:
        self._trainer.load_weights(weights)
        return self._holdout.measure(self._trainer).gap


def new_trainer(spec: TrialSpec) -> Trainer:
    """A new model of the spec, with what trains it."""
    from gapsack.models.registry import build
    from gapsack.models.training import Trainer

    training = spec.grid.training
    model = build(spec.point.family, seed=training.seed, **spec.point.hyperparameters)
    return Trainer(model, training, spec.grid.data.task.loss)
